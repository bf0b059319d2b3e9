// Records of the schema in the plain form of intake/.
#include "image_reader/plain_records.h"

#include <string>

#include "error/error.h"

namespace ferry {
namespace {

// The numbers of the engine's kinds are the schema's.
static_assert(static_cast<int>(PageKind::data) == v1::DATA);
static_assert(static_cast<int>(PageKind::l1) == v1::L1);
static_assert(static_cast<int>(PageKind::l4) == v1::L4);
static_assert(static_cast<int>(PageKind::l1_pinned) == v1::L1_PINNED);
static_assert(static_cast<int>(PageKind::l4_pinned) == v1::L4_PINNED);
static_assert(static_cast<int>(PageKind::absent) == v1::ABSENT);
static_assert(static_cast<int>(PageKind::zero) == v1::ZERO);
static_assert(static_cast<int>(PageKind::p2m_leaf) == v1::P2M_LEAF);
static_assert(v1::PageKind_MAX == v1::P2M_LEAF, "a kind that the engine does not know");
static_assert(kMostPfns == kMaxPfns && kMostPagesAtOnce == kMaxPagesPerRecord &&
              kMostPfnsAtOnce == kMaxPfnsPerRecord);

std::span<const std::byte> bytes_of(const std::string& field) {
  return std::as_bytes(std::span(field));
}

std::vector<std::byte> copy_of(const std::string& field) {
  const auto bytes = bytes_of(field);
  return {bytes.begin(), bytes.end()};
}

std::vector<PfnRun> runs_of(const v1::Populated& populated) {
  std::vector<PfnRun> plain;
  uint64_t next = populated.first_pfn();
  const auto& runs = populated.runs();
  for (int i = 0; i + 1 < runs.size(); i += 2) {
    // Each below a power of two, so that no sum of them wraps.
    if (next > kMaxPfns || runs[i] > kMaxPfns || runs[i + 1] > kMaxPfns)
      fail(Errc::bad_image, "the image is bad: it populates pages beyond the guest's end");
    plain.push_back({pfn_t(next + runs[i]), runs[i + 1]});
    next += runs[i] + runs[i + 1];
  }
  return plain;
}

GuestVcpu vcpu_of(const v1::Vcpu& vcpu) {
  return {vcpu.id(), copy_of(vcpu.basic()), copy_of(vcpu.extended()), copy_of(vcpu.xsave()),
          copy_of(vcpu.msrs())};
}

}  // namespace

GuestHead plain_head(const v1::Head& head) {
  GuestHead plain;
  plain.nr_pfns = head.nr_pfns();
  plain.populated_pages = head.populated_pages();
  plain.p2m_root_pfn = head.p2m_root_pfn();
  plain.max_vcpu_id = head.max_vcpu_id();
  plain.linear_p2m = head.linear_p2m();
  plain.live = head.live();
  return plain;
}

std::vector<KindRun> plain_runs(const std::vector<PageRun>& runs) {
  std::vector<KindRun> plain;
  plain.reserve(runs.size());
  for (const PageRun& run : runs)
    plain.push_back({run.first, static_cast<uint32_t>(run.count), static_cast<PageKind>(run.kind)});
  return plain;
}

void hand_on(const v1::Record& record, GuestRecords& into) {
  switch (record.body_case()) {
    case v1::Record::kCpuPolicy:
      return into.cpu_policy(bytes_of(record.cpu_policy().cpuid_leaves()),
                             bytes_of(record.cpu_policy().msrs()));
    case v1::Record::kPopulated:
      return into.populated(runs_of(record.populated()));
    case v1::Record::kTsc: {
      const v1::Tsc& tsc = record.tsc();
      return into.tsc(record.sequence(), {tsc.mode(), tsc.khz(), tsc.nsec(), tsc.incarnation()});
    }
    case v1::Record::kSharedInfo:
      return into.shared_info(record.sequence(), bytes_of(record.shared_info().page()));
    case v1::Record::kVcpu:
      return into.vcpu(record.sequence(), vcpu_of(record.vcpu()));
    default:
      break;
  }
}

}  // namespace ferry
