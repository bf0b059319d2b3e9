// What an image holds.
#include "audit/summary.h"

#include "audit/layout.h"
#include "error/error.h"
#include "proto/pages.h"

namespace ferry::audit {
namespace {

VcpuSummary summarise_vcpu(const v1::Vcpu& vcpu) {
  VcpuSummary summary{
      .id = vcpu.id(), .xsave_bytes = vcpu.xsave().size(), .msrs = vcpu.msrs().size() / kMsrBytes};
  const auto context = bytes_of(vcpu.basic());
  if (context.size() != kVcpuContextBytes) return summary;
  summary.cr3_pfn = load_u64(context, kVcpuCr3At) >> kPageShift;
  if (const uint64_t user = load_u64(context, kVcpuUserCr3At); user != 0)
    summary.user_cr3_pfn = user >> kPageShift;
  summary.gdt_entries = load_u64(context, kVcpuGdtEntriesAt);
  return summary;
}

std::string name_of(uint32_t kind) {
  const auto* field = v1::Record::descriptor()->FindFieldByNumber(static_cast<int>(kind));
  return field ? field->name() : fmt::format("kind_{}", kind);
}

class Counter {
 public:
  void add(uint32_t kind, uint64_t count, uint64_t bytes) {
    if (count == 0) return;
    RecordsOfKind& sum = sums_[kind];
    sum.kind = name_of(kind);
    sum.count += count;
    sum.bytes += bytes;
    bytes_ += bytes;
  }
  uint64_t bytes() const { return bytes_; }
  std::vector<RecordsOfKind> take() {
    std::vector<RecordsOfKind> all;
    for (auto& [kind, sum] : sums_) all.push_back(std::move(sum));
    return all;
  }

 private:
  std::map<uint32_t, RecordsOfKind> sums_;
  uint64_t bytes_ = 0;
};

void add_small_record(Summary& summary, const RawRecord& raw) {
  if (raw.kind > v1::Record::kEndFieldNumber) return;  // a newer ferry's
  v1::Record record = parse_record(raw);
  switch (record.body_case()) {
    case v1::Record::kVcpu:
      if (summary.vcpus.size() < kMaxVcpus) summary.vcpus.push_back(summarise_vcpu(record.vcpu()));
      break;
    case v1::Record::kConfig:
      summary.config = std::move(*record.mutable_config());
      break;
    case v1::Record::kTimeline:
      summary.timeline = std::move(*record.mutable_timeline());
      break;
    default:
      break;
  }
}

}  // namespace

uint64_t Summary::pages_with_frame() const {
  uint64_t pages = 0;
  for (const PagesOfKind& of : pages_by_kind)
    if (of.kind != v1::ABSENT) pages += of.pages;
  return pages;
}

Summary summarise(const ImageFile& image) {
  const v1::IndexRoot& root = image.index_root();
  const v1::End& end = image.end();
  Summary summary{.place = image.place(), .head = image.head(), .records = end.records()};

  Counter counter;
  counter.add(v1::Record::kMagicFieldNumber, 1, kMagicRecord);
  uint64_t offset = 0;
  for (uint64_t distance : root.other_offsets()) {
    offset += distance;
    const RawRecord raw = image.read_record(offset);
    counter.add(raw.kind, 1, raw.bytes.size());
    add_small_record(summary, raw);
  }
  counter.add(v1::Record::kPagesFieldNumber, root.pages_records(), root.pages_bytes());
  counter.add(v1::Record::kIndexRootFieldNumber, 1,
              image.read_record(end.index_root_offset()).bytes.size());
  counter.add(v1::Record::kEndFieldNumber, 1, kEndRecord);
  if (counter.bytes() > end.bytes())
    fail(Errc::bad_image, "the index counts {} bytes of records, but the image has {}",
         counter.bytes(), end.bytes());
  counter.add(v1::Record::kIndexPartFieldNumber, image.parts(), end.bytes() - counter.bytes());
  summary.records_by_kind = counter.take();

  for (int i = 0; i + 2 < root.kind_pages_size(); i += 3) {
    if (root.kind_pages(i) > v1::PageKind_MAX ||
        !v1::PageKind_IsValid(static_cast<int>(root.kind_pages(i))))
      fail(Errc::bad_image, "the index counts pages of a kind that this ferry does not know");
    summary.pages_by_kind.push_back({.kind = static_cast<v1::PageKind>(root.kind_pages(i)),
                                     .pages = root.kind_pages(i + 1),
                                     .stored_bytes = root.kind_pages(i + 2)});
  }
  return summary;
}

}  // namespace ferry::audit
