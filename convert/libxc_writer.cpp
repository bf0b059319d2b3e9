// A libxc stream of version 3, written from what an image says.
#include "convert/libxc_writer.h"

#include <array>
#include <cstring>

#include "audit/layout.h"
#include "convert/libxc_stream.h"
#include "error/error.h"
#include "p2m/frames.h"
#include "proto/pages.h"
#include "proto/wire.h"

namespace ferry::convert {
namespace {

template <typename... Fields>
Bytes body_of(Fields... fields) {
  Bytes out;
  (wire::put_fixed(out, fields), ...);
  return out;
}

void append(Bytes& out, const std::string& blob) {
  const auto bytes = std::as_bytes(std::span(blob));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <typename T>
void append(Bytes& out, std::span<T> numbers) {
  const auto bytes = std::as_bytes(numbers);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

Bytes body_of_blob(const std::string& blob) {
  Bytes body;
  append(body, blob);
  return body;
}

}  // namespace

void LibxcWriter::static_data(const v1::Head& head, const v1::CpuPolicy& policy) {
  sink_.write(encode_libxc_headers(head.xen_major(), head.xen_minor()));
  // 8 bytes wide, 4 levels
  sink_.write(encode_libxc_record(Type::pv_info, body_of(uint32_t{0x0408}, uint32_t{0})));
  if (!policy.cpuid_leaves().empty())
    sink_.write(encode_libxc_record(Type::cpuid_policy, body_of_blob(policy.cpuid_leaves())));
  if (!policy.msrs().empty())
    sink_.write(encode_libxc_record(Type::msr_policy, body_of_blob(policy.msrs())));
  sink_.write(encode_libxc_record(Type::static_data_end, {}));
}

void LibxcWriter::p2m_frames(uint64_t nr_pfns, std::span<const uint64_t> leaves) {
  Bytes body = body_of(uint32_t{0}, static_cast<uint32_t>(nr_pfns - 1));
  append(body, leaves);
  sink_.write(encode_libxc_record(Type::p2m_frames, body));
}

void LibxcWriter::page(uint64_t pfn, v1::PageKind kind, std::span<const std::byte> bytes) {
  static const std::array<std::byte, kPageSize> kZeros{};
  if (kind == v1::ABSENT) return add(pfn, kNoFrame, {});
  if (kind == v1::ZERO) return add(pfn, static_cast<unsigned>(v1::DATA), kZeros);
  add(pfn, static_cast<unsigned>(kind == v1::P2M_LEAF ? v1::DATA : kind), bytes);
}

void LibxcWriter::add(uint64_t pfn, unsigned type, std::span<const std::byte> bytes) {
  entries_.push_back(uint64_t{type} << 60 | pfn);
  data_.insert(data_.end(), bytes.begin(), bytes.end());
  if (entries_.size() == kPagesPerRecord) flush_pages();
}

void LibxcWriter::flush_pages() {
  if (entries_.empty()) return;
  Bytes body = body_of(static_cast<uint32_t>(entries_.size()), uint32_t{0});
  append(body, std::span(entries_));
  body.insert(body.end(), data_.begin(), data_.end());
  sink_.write(encode_libxc_record(Type::page_data, body));
  entries_.clear();
  data_.clear();
}

void LibxcWriter::tsc(const v1::Tsc& tsc) {
  sink_.write(encode_libxc_record(
      Type::tsc_info, body_of(tsc.mode(), tsc.khz(), tsc.nsec(), tsc.incarnation(), uint32_t{0})));
}

// Where Xen has the machine address of the p2m's root there stands its pfn, as in all of the
// stream: as if the source's frames were numbered like its pfns.
void LibxcWriter::shared_info(const v1::Head& head, const v1::SharedInfo& shared_info) {
  std::string page = shared_info.page();
  if (page.size() != kPageSize) fail(Errc::bad_image, "shared_info has {} bytes", page.size());
  const uint64_t root = head.p2m_root_pfn();
  if (root == 0)
    fail(Errc::unsupported, "the root of the guest's p2m is page 0, which Xen's format cannot say");
  const uint64_t lists = head.linear_p2m() ? 0 : root;
  const uint64_t p2m_cr3 = head.linear_p2m() ? root << kPageShift : 0;
  std::memcpy(page.data() + audit::kSharedFrameListListAt, &lists, sizeof lists);
  std::memcpy(page.data() + audit::kSharedP2mCr3At, &p2m_cr3, sizeof p2m_cr3);
  sink_.write(encode_libxc_record(Type::shared_info, body_of_blob(page)));
}

void LibxcWriter::vcpu(const v1::Vcpu& vcpu) {
  const auto put = [&](Type type, const std::string& blob) {
    if (blob.empty()) return;
    Bytes body = body_of(vcpu.id(), uint32_t{0});
    append(body, blob);
    sink_.write(encode_libxc_record(type, body));
  };
  put(Type::vcpu_basic, vcpu.basic());
  put(Type::vcpu_extended, vcpu.extended());
  put(Type::vcpu_xsave, vcpu.xsave());
  put(Type::vcpu_msrs, vcpu.msrs());
}

void LibxcWriter::end() {
  sink_.write(encode_libxc_record(Type::end, {}));
}

}  // namespace ferry::convert
