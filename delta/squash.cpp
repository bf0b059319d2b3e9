// One whole image of a chain of deltas: records that are still all true go over as they are, of
// others what is left.
#include "delta/squash.h"

#include <algorithm>

#include "audit/page_map.h"
#include "error/error.h"
#include "pipeline/pool.h"
#include "proto/record_reader.h"
#include "proto/record_writer.h"

namespace ferry::delta {
namespace {

struct Codec {
  explicit Codec(int level) : encoder(level) {}
  PagesDecoder decoder;
  PagesEncoder encoder;
  Bytes pages;
};

// What the jobs share.
struct Squash {
  Squash(const ImageFile& from, ByteSink& sink, int zstd_level)
      : image(from),
        map(audit::PageMap::load(from)),
        writer(sink, from.head().nr_pfns()),
        level(zstd_level) {}

  const ImageFile& image;
  const audit::PageMap map;
  RecordWriter writer;
  const int level;
  RecordReader* reader = nullptr;
  Pool<Codec> codecs;
  Squashed done;
};

bool last_version(const audit::PageMap& map, uint64_t pfn, v1::PageKind kind, uint64_t offset) {
  return map.kind(pfn) == kind && (!has_data(kind) || map.record_offset(pfn) == offset);
}

// The pages of a record that no later one replaces.
std::vector<PageRun> runs_left(const audit::PageMap& map, const PagesView& view, uint64_t offset) {
  std::vector<PageRun> left;
  for (const PageRun& run : view.runs)
    for (uint64_t i = 0; i < run.count; ++i)
      if (last_version(map, run.first.raw() + i, run.kind, offset))
        append_page(left, run.first + i, run.kind);
  return left;
}

class PagesJob final : public Job {
 public:
  PagesJob(Squash& shared, RawRecord raw, std::vector<PageRun> left, bool whole)
      : shared_(shared),
        raw_(std::move(raw)),
        left_(std::move(left)),
        whole_(whole),
        sequence_(shared.writer.next_sequence()) {}

  void work() override {
    check_digest(raw_);
    if (whole_) {
      record_ = std::move(raw_.bytes);
      renumber_record(record_, sequence_);
      return;
    }
    std::unique_ptr<Codec> codec = shared_.codecs.take(shared_.level);
    const PagesView view = decode_pages(raw_, shared_.image.head().nr_pfns());
    take_left(view, codec->decoder.decompress(raw_, view), codec->pages);
    record_ = codec->encoder.encode(sequence_, view.round, left_, codec->pages);
    shared_.codecs.give_back(std::move(codec));
  }
  void consume() override {
    shared_.writer.write_pages(record_, left_);
    for (const PageRun& run : left_)
      if (has_data(run.kind)) shared_.done.pages += run.count;
    shared_.reader->reuse(std::move(raw_.bytes));
  }

 private:
  void take_left(const PagesView& view, std::span<const std::byte> pages, Bytes& into) const {
    into.clear();
    uint64_t pages_left = 0;
    for (const PageRun& run : left_)
      if (has_data(run.kind)) pages_left += run.count;
    into.reserve(pages_left * kPageSize);
    for (const PageRun& run : view.runs) {
      if (!has_data(run.kind)) continue;
      for (uint64_t i = 0; i < run.count; ++i, pages = pages.subspan(kPageSize))
        if (last_version(shared_.map, run.first.raw() + i, run.kind, raw_.offset))
          into.insert(into.end(), pages.begin(), pages.begin() + kPageSize);
    }
  }

  Squash& shared_;
  RawRecord raw_;
  const std::vector<PageRun> left_;
  const bool whole_;  // all of the record is left
  const uint64_t sequence_;
  Bytes record_;
};

// The next record with pages that are left; null at the end. What comes before all pages is
// written at once, the rest is for later.
std::unique_ptr<Job> next_job(Squash& shared, uint64_t& first_pages) {
  while (std::optional<RawRecord> raw = shared.reader->next()) {
    if (raw->kind == v1::Record::kPagesFieldNumber) {
      if (first_pages == 0) first_pages = raw->offset;
      const PagesView view = decode_pages(*raw, shared.image.head().nr_pfns());
      std::vector<PageRun> left = runs_left(shared.map, view, raw->offset);
      if (left.empty()) {
        check_digest(*raw);
        continue;
      }
      const bool whole = left == view.runs;
      return std::make_unique<PagesJob>(shared, std::move(*raw), std::move(left), whole);
    }
    check_digest(*raw);
    const bool other =
        raw->kind != v1::Record::kMagicFieldNumber && raw->kind < v1::Record::kIndexPartFieldNumber;
    if (first_pages == 0 && other) shared.writer.write(parse_record(*raw));
  }
  return nullptr;
}

}  // namespace

Squashed squash(const ImageFile& image, ByteSink& sink, Executor& executor, int level) {
  Squash shared(image, sink, level);
  const std::unique_ptr<ByteSource> source = image.stream();
  RecordReader reader(*source);
  shared.reader = &reader;
  uint64_t first_pages = 0;
  executor.run([&] { return next_job(shared, first_pages); });
  image.for_each_other([&](const RawRecord& raw) {
    if (first_pages != 0 && raw.offset > first_pages &&
        raw.kind < v1::Record::kIndexPartFieldNumber)
      shared.writer.write(parse_record(raw));
    return true;
  });
  shared.writer.finish();
  shared.done.image_bytes = shared.writer.bytes_written();
  return shared.done;
}

}  // namespace ferry::delta
