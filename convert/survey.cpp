// One pass over a libxc stream.
#include "convert/survey.h"

#include <algorithm>

#include "audit/layout.h"
#include "error/error.h"

namespace ferry::convert {
namespace {

constexpr uint64_t kPfnMask = (uint64_t{1} << 52) - 1;
constexpr uint64_t kReservedMask = uint64_t{0xff} << 52;
constexpr size_t kBatchHeader = 8;
constexpr size_t kVcpuHeader = 8;
constexpr size_t kMostBlob = 64u << 10;  // of one vCPU: XSAVE areas have a few KiB
constexpr size_t kMostPolicy = 256u << 10;
constexpr size_t kMostBatches = 1u << 20;  // and one more for every 4 pfns

uint64_t pfn_of(uint64_t entry) {
  return entry & kPfnMask;
}
unsigned type_of(uint64_t entry) {
  return static_cast<unsigned>(entry >> 60);
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Survey::Survey(const InputFile& file, const StreamPlace& place) : stream_(file, place) {
  while (const std::optional<LibxcRecord> record = stream_.next()) take(*record);
  check_complete();
}

void Survey::take(const LibxcRecord& record) {
  switch (static_cast<Type>(record.type)) {
    case Type::end:
    case Type::static_data_end:
      return;
    case Type::pv_info: {
      const Bytes body = stream_.body(record, 8);
      if (body.size() != 8) fail(Errc::bad_image, "{} has another size", place_of(record));
      if (body[0] != std::byte{8} || body[1] != std::byte{4})
        fail(Errc::unsupported, "this is the stream of a 32-bit guest; ferry knows 64-bit ones");
      pv_info_ = true;
      return;
    }
    case Type::p2m_frames:
      return take_p2m_frames(record);
    case Type::page_data:
      return take_pages(record);
    case Type::vcpu_basic:
    case Type::vcpu_extended:
    case Type::vcpu_xsave:
    case Type::vcpu_msrs:
      return take_vcpu(record);
    case Type::shared_info:
      shared_info.set_page(text_of(stream_.body(record, kPageSize)));
      return;
    case Type::tsc_info:
      return take_tsc(record);
    case Type::cpuid_policy:
      cpu_policy.set_cpuid_leaves(text_of(stream_.body(record, kMostPolicy)));
      return;
    case Type::msr_policy:
      cpu_policy.set_msrs(text_of(stream_.body(record, kMostPolicy)));
      return;
  }
  if ((record.type & kOptionalRecord) == 0)
    fail(Errc::unsupported, "{} is of a kind that ferry does not convert", place_of(record));
}

void Survey::take_p2m_frames(const LibxcRecord& record) {
  if (!pv_info_) fail(Errc::bad_image, "{} comes before the guest's width", place_of(record));
  std::array<std::byte, 8> ends;
  stream_.read(record, 0, ends);
  const uint64_t first = audit::load_u32(ends, 0), last = audit::load_u32(ends, 4);
  const uint64_t leaves = last / 512 - first / 512 + 1;
  if (first > last || record.length != ends.size() + leaves * sizeof(uint64_t))
    fail(Errc::bad_image, "{} does not list the p2m leaves of pfns {} to {}", place_of(record),
         first, last);
  if (first / 512 > leaf_pfns_.size())
    fail(Errc::bad_image, "{} leaves out p2m leaf {}", place_of(record), leaf_pfns_.size());
  leaf_pfns_.resize(std::max<size_t>(leaf_pfns_.size(), last / 512 + 1));
  stream_.read(record, ends.size(),
               std::as_writable_bytes(std::span(leaf_pfns_).subspan(first / 512, leaves)));
  pages_.grow(last + 1);
}

std::vector<uint64_t> Survey::entries(const LibxcRecord& batch) const {
  std::array<std::byte, kBatchHeader> header;
  stream_.read(batch, 0, header);
  const uint32_t count = audit::load_u32(header, 0);
  if (count == 0 || count > kMostPages)
    fail(Errc::bad_image, "{} has {} pages", place_of(batch), count);
  if ((batch.length - kBatchHeader) / sizeof(uint64_t) < count)
    fail(Errc::bad_image, "{} is too short for {} pages", place_of(batch), count);
  std::vector<uint64_t> entries(count);
  stream_.read(batch, kBatchHeader, std::as_writable_bytes(std::span(entries)));
  uint64_t with_data = 0;
  for (const uint64_t entry : entries) {
    if (pfn_of(entry) >= pages_.size() || (entry & kReservedMask) != 0 ||
        !is_page_type(type_of(entry)))
      fail(Errc::bad_image, "{} has a page {:#x}, which is no page of the guest", place_of(batch),
           entry);
    with_data += type_has_data(type_of(entry));
  }
  if (batch.length != kBatchHeader + count * sizeof(uint64_t) + with_data * kPageSize)
    fail(Errc::bad_image, "{} has another size than its {} pages", place_of(batch), count);
  return entries;
}

void Survey::take_pages(const LibxcRecord& record) {
  if (batches_.size() >= kMostBatches + pages_.size() / 4)
    fail(Errc::bad_image, "the libxc stream has more than {} batches of pages", batches_.size());
  const auto number = static_cast<uint32_t>(batches_.size());
  for (const uint64_t entry : entries(record))
    pages_.change(pfn_of(entry)) = {static_cast<uint8_t>(type_of(entry)), number};
  batches_.push_back(record);
}

void Survey::take_vcpu(const LibxcRecord& record) {
  std::array<std::byte, kVcpuHeader> header;
  stream_.read(record, 0, header);
  const uint32_t id = audit::load_u32(header, 0);
  if (id >= audit::kMaxVcpus) fail(Errc::bad_image, "{} is of vCPU {}", place_of(record), id);
  if (record.length > kMostBlob)
    fail(Errc::bad_image, "{} has {} bytes, more than {}", place_of(record), record.length,
         kMostBlob);
  if (record.length == kVcpuHeader) return;  // says nothing
  VcpuRecords& vcpu = vcpus_[id];
  (record.is(Type::vcpu_basic)      ? vcpu.basic
   : record.is(Type::vcpu_extended) ? vcpu.extended
   : record.is(Type::vcpu_xsave)    ? vcpu.xsave
                                    : vcpu.msrs) = record;
}

v1::Vcpu Survey::vcpu(uint32_t id) const {
  const auto blob = [this](const LibxcRecord& record) {
    if (record.length == 0) return std::string();
    const Bytes body = stream_.body(record, kMostBlob);
    return text_of(std::span(body).subspan(kVcpuHeader));
  };
  const VcpuRecords& records = vcpus_.at(id);
  v1::Vcpu vcpu;
  vcpu.set_id(id);
  vcpu.set_basic(blob(records.basic));
  vcpu.set_extended(blob(records.extended));
  vcpu.set_xsave(blob(records.xsave));
  vcpu.set_msrs(blob(records.msrs));
  return vcpu;
}

void Survey::take_tsc(const LibxcRecord& record) {
  const Bytes body = stream_.body(record, 24);
  if (body.size() != 24) fail(Errc::bad_image, "{} has another size", place_of(record));
  tsc.set_mode(audit::load_u32(body, 0));
  tsc.set_khz(audit::load_u32(body, 4));
  tsc.set_nsec(audit::load_u64(body, 8));
  tsc.set_incarnation(audit::load_u32(body, 16));
  tsc_seen_ = true;
}

void Survey::check_complete() const {
  const auto lacks = [](bool missing, const char* what) {
    if (missing) fail(Errc::bad_image, "the libxc stream lacks the guest's {}", what);
  };
  lacks(!pv_info_, "width");
  lacks(leaf_pfns_.empty(), "p2m");
  lacks(batches_.empty(), "pages");
  lacks(shared_info.page().size() != kPageSize, "shared_info");
  lacks(!tsc_seen_, "TSC");
  lacks(!vcpus_.contains(0), "vCPU 0");
  for (const auto& [id, vcpu] : vcpus_)
    if (vcpu.basic.length != kVcpuHeader + audit::kVcpuContextBytes)
      fail(Errc::bad_image, "the registers of vCPU {} have {} bytes instead of {}", id,
           vcpu.basic.length == 0 ? 0 : vcpu.basic.length - kVcpuHeader, audit::kVcpuContextBytes);
}

bool Survey::read_page(uint64_t pfn, std::span<std::byte, kPageSize> out) const {
  if (pfn >= pages_.size() || !type_has_data(type(pfn))) return false;
  const LibxcRecord& batch = batches_[last(pfn)];
  const std::vector<uint64_t> pages = entries(batch);
  uint64_t at = 0, found = 0;
  for (const uint64_t entry : pages) {
    if (!type_has_data(type_of(entry))) continue;
    if (pfn_of(entry) == pfn) found = at;  // the last of several
    ++at;
  }
  stream_.read(batch, kBatchHeader + pages.size() * sizeof(uint64_t) + found * kPageSize, out);
  return true;
}

}  // namespace ferry::convert
