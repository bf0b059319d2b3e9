// From an image of ferry's to a libxc stream: the last version of each page, once.
#include "convert/export.h"

#include <map>

#include "audit/layout.h"
#include "audit/page_map.h"
#include "convert/libxc_writer.h"
#include "error/error.h"
#include "pipeline/pool.h"
#include "proto/pages.h"
#include "proto/record_reader.h"

namespace ferry::convert {
namespace {

// What the jobs share; all but the decoders is the consumer's.
struct Export {
  Export(const ImageFile& from, ByteSink& to)
      : image(from), map(audit::PageMap::load(from)), writer(to) {}

  const ImageFile& image;
  audit::PageMap map;
  LibxcWriter writer;
  Converted done;
  Pool<PagesDecoder> decoders;
};

class RecordJob final : public Job {
 public:
  RecordJob(Export& shared, RawRecord raw) : shared_(shared), raw_(std::move(raw)) {}

  void work() override {
    check_digest(raw_);
    if (raw_.kind != v1::Record::kPagesFieldNumber) return;
    view_ = decode_pages(raw_, shared_.image.head().nr_pfns());
    decoder_ = shared_.decoders.take();
    data_ = decoder_->decompress(raw_, view_);
  }

  void consume() override {
    if (!decoder_) return;
    for (const PageRun& run : view_.runs)
      for (uint64_t i = 0; i < run.count; ++i) put(run.first.raw() + i, run.kind);
    shared_.decoders.give_back(std::move(decoder_));
  }

 private:
  void put(uint64_t pfn, v1::PageKind kind) {
    std::span<const std::byte> page;
    if (has_data(kind)) {
      page = data_.first(kPageSize);
      data_ = data_.subspan(kPageSize);
      if (shared_.map.kind(pfn) != kind || shared_.map.record_offset(pfn) != raw_.offset) return;
    } else if (shared_.map.kind(pfn) != kind || kind == v1::ABSENT) {
      return;
    }
    if (kind == v1::ZERO && shared_.map.seen_kind(pfn) != audit::kUnmentioned) return;
    shared_.map.see(pfn, 1, kind, raw_.offset);
    shared_.writer.page(pfn, kind, page);
    ++shared_.done.pages;
  }

  Export& shared_;
  RawRecord raw_;
  PagesView view_;
  std::unique_ptr<PagesDecoder> decoder_;
  std::span<const std::byte> data_;
};

// The small records of the image, which lie in any order there.
struct Small {
  v1::CpuPolicy policy;
  std::vector<uint64_t> leaves;
  v1::Tsc tsc;
  v1::SharedInfo shared_info;
  std::map<uint32_t, uint64_t> vcpus;  // where their records are: these may be large
};

Small read_small(const ImageFile& image) {
  const uint64_t pfns = image.head().nr_pfns();
  const uint64_t leaves = pfns / 512 + (pfns % 512 != 0);
  Small small;
  uint64_t offset = 0;
  for (const uint64_t distance : image.index_root().other_offsets()) {
    offset += distance;
    const RawRecord raw = image.read_record(offset);
    if (raw.kind > v1::Record::kEndFieldNumber) continue;
    v1::Record record = parse_record(raw);
    if (record.has_cpu_policy()) small.policy = std::move(*record.mutable_cpu_policy());
    if (record.has_tsc()) small.tsc = record.tsc();
    if (record.has_shared_info()) small.shared_info = std::move(*record.mutable_shared_info());
    if (record.has_vcpu()) {
      if (record.vcpu().id() >= audit::kMaxVcpus)
        fail(Errc::bad_image, "the image has a vCPU {}", record.vcpu().id());
      small.vcpus.emplace(record.vcpu().id(), offset);
    }
    if (!record.has_p2m_frames()) continue;
    if (record.p2m_frames().first_leaf() != small.leaves.size() || small.leaves.size() > leaves)
      fail(Errc::bad_image, "the image's list of p2m leaves has a gap");
    small.leaves.insert(small.leaves.end(), record.p2m_frames().leaf_pfns().begin(),
                        record.p2m_frames().leaf_pfns().end());
  }
  if (small.leaves.size() != leaves)
    fail(Errc::bad_image, "the image lists {} p2m leaves for {} pfns", small.leaves.size(), pfns);
  if (!small.vcpus.contains(0)) fail(Errc::bad_image, "the image has no vCPU 0");
  return small;
}

}  // namespace

Converted export_stream(const ImageFile& image, ByteSink& sink, Executor& executor) {
  const v1::Head& head = image.head();
  const Small small = read_small(image);
  Export shared(image, sink);
  shared.writer.static_data(head, small.policy);
  shared.writer.p2m_frames(head.nr_pfns(), small.leaves);
  const std::unique_ptr<ByteSource> source = image.stream();
  RecordReader reader(*source);
  executor.run([&]() -> std::unique_ptr<Job> {
    std::optional<RawRecord> record = reader.next();
    if (!record) return nullptr;
    return std::make_unique<RecordJob>(shared, std::move(*record));
  });
  shared.map.for_each_run([&](uint64_t first, uint64_t count, v1::PageKind kind, auto...) {
    if (kind != v1::ABSENT && kind != audit::kUnmentioned) return;
    for (uint64_t pfn = first; pfn < first + count; ++pfn) shared.writer.page(pfn, v1::ABSENT, {});
  });
  shared.writer.flush_pages();
  shared.writer.tsc(small.tsc);
  shared.writer.shared_info(head, small.shared_info);
  for (const auto& [id, offset] : small.vcpus)
    shared.writer.vcpu(parse_record(image.read_record(offset)).vcpu());
  shared.writer.end();
  shared.done.vcpus = small.vcpus.size();
  return shared.done;
}

}  // namespace ferry::convert
