// What an image says of each page.
#include "delta/read_base.h"

#include "audit/page_map.h"
#include "delta/chain.h"
#include "delta/identity.h"
#include "error/error.h"
#include "pipeline/pool.h"
#include "proto/record_reader.h"

namespace ferry::delta {
namespace {

struct Reading {
  const ImageFile& image;
  const audit::PageMap& map;
  BasePages& into;
  RecordReader& reader;
  Pool<PagesDecoder> decoders = {};
};

class HashJob final : public Job {
 public:
  HashJob(Reading& shared, RawRecord raw) : shared_(shared), raw_(std::move(raw)) {}

  // The last version of a page is in one record, so no two jobs write to one place.
  void work() override {
    check_digest(raw_);
    if (raw_.kind != v1::Record::kPagesFieldNumber) return;
    const PagesView view = decode_pages(raw_, shared_.image.head().nr_pfns());
    std::unique_ptr<PagesDecoder> decoder = shared_.decoders.take();
    std::span<const std::byte> pages = decoder->decompress(raw_, view);
    for (const PageRun& run : view.runs) {
      if (!has_data(run.kind)) continue;
      for (uint64_t i = 0; i < run.count; ++i, pages = pages.subspan(kPageSize)) {
        const uint64_t pfn = run.first.raw() + i;
        if (shared_.map.kind(pfn) == run.kind && shared_.map.record_offset(pfn) == raw_.offset)
          shared_.into.page(pfn, static_cast<unsigned>(run.kind), pages.data());
      }
    }
    shared_.decoders.give_back(std::move(decoder));
  }
  void consume() override { shared_.reader.reuse(std::move(raw_.bytes)); }

 private:
  Reading& shared_;
  RawRecord raw_;
};

void hash_pages(const ImageFile& image, const audit::PageMap& map, BasePages& into,
                Executor& executor) {
  const std::unique_ptr<ByteSource> source = image.stream();
  RecordReader reader(*source);
  Reading shared{image, map, into, reader};
  executor.run([&]() -> std::unique_ptr<Job> {
    std::optional<RawRecord> record = reader.next();
    if (!record) return nullptr;
    return std::make_unique<HashJob>(shared, std::move(*record));
  });
}

// Before the pages are hashed: one that the index promises in vain must not be taken for one
// without a frame, which is what memory that nobody has written to says already.
void begin_pages(const audit::PageMap& map, const std::string& path, BasePages& into) {
  map.for_each_run([&](uint64_t first, uint64_t count, v1::PageKind kind, auto...) {
    if (kind == audit::kUnmentioned)
      fail(Errc::bad_image, "{}: the image says nothing about pfn {:#x}", path, first);
    if (kind == v1::ABSENT) return;
    for (uint64_t pfn = first; pfn < first + count; ++pfn)
      kind == v1::ZERO ? into.zero(pfn) : into.unknown(pfn);
  });
}

}  // namespace

void read_base(const std::vector<InputFile>& links, BasePages& into, Executor& executor) {
  const ImageFile image = open_chain(links, executor);
  const std::string& path = links.back().path();
  const uint64_t nr_pfns = image.head().nr_pfns();
  if (nr_pfns > into.most_pfns())
    fail(Errc::unsupported, "{} has {} pfns; there is room for {} of a base", path, nr_pfns,
         into.most_pfns());
  const BaseName name = identify(ImageFile::open_link(links.back()), path, executor);
  const audit::PageMap map = audit::PageMap::load(image);
  begin_pages(map, path, into);
  hash_pages(image, map, into, executor);
  into.finish(nr_pfns, name);
}

}  // namespace ferry::delta
