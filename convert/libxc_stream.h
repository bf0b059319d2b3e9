// A libxc migration stream of a 64-bit PV guest: what `xl save` of stock Xen holds.
//
//   image header   | ff × 8 | "XENF" | version 4 | options 2 | 0 × 6 |      big-endian, 24 bytes
//   domain header  | type 4: 1 PV | page_shift 2: 12 | 0 × 2 | xen_major 4 | xen_minor 4 |
//   record         | type 4 | length 4 | body, length bytes | zeros up to a multiple of 8 |
//
//   PAGE_DATA      | count 4 | 0 × 4 | count × u64: type << 60 | pfn | 4096 for each with data |
//   P2M_FRAMES     | first pfn 4 | last pfn 4 | u64 pfn of each p2m leaf |
//   VCPU_*         | vcpu 4 | 0 × 4 | blob |
//   TSC_INFO       | mode 4 | khz 4 | nsec 8 | incarnation 4 | 0 × 4 |
#pragma once

#include <optional>
#include <string>

#include "io/byte_stream.h"
#include "io/input_file.h"
#include "proto/xl_wrapper.h"

namespace ferry::convert {

enum class Type : uint32_t {
  end = 0x0,
  page_data = 0x1,
  pv_info = 0x2,
  p2m_frames = 0x3,
  vcpu_basic = 0x4,
  vcpu_extended = 0x5,
  vcpu_xsave = 0x6,
  shared_info = 0x7,
  tsc_info = 0x8,
  vcpu_msrs = 0xc,
  static_data_end = 0x10,
  cpuid_policy = 0x11,
  msr_policy = 0x12,
};
inline constexpr uint32_t kOptionalRecord = 1u << 31;  // of a type: may be skipped

// Page types beside those that ferry.v1.PageKind shares.
inline constexpr unsigned kBroken = 13, kAllocateOnly = 14, kNoFrame = 15;
bool is_page_type(unsigned type);
bool type_has_data(unsigned type);

inline constexpr size_t kMostRecord = 128u << 20;  // body bytes, as Xen's own reader allows
inline constexpr uint32_t kMostPages = 4096;       // in one PAGE_DATA; writers put 1024
inline constexpr uint32_t kPagesPerRecord = 1024;  // that we write

struct LibxcRecord {
  uint32_t type = 0;
  uint32_t length = 0;   // of the body
  uint64_t body_at = 0;  // in the file
  bool is(Type t) const { return type == static_cast<uint32_t>(t); }
};

// Where a stream lies in a file.
struct StreamPlace {
  uint64_t offset = 0;
  std::optional<XlHeader> xl = {};  // of the file around it
};
// Nothing if the file holds no libxc stream. Throws Error(bad_image), Error(io).
std::optional<StreamPlace> find_libxc_stream(const InputFile& file);

class LibxcStream {
 public:
  // Reads both headers. Throws Error(bad_image) or Error(unsupported), naming what is wrong.
  LibxcStream(const InputFile& file, const StreamPlace& place);

  uint32_t version() const { return version_; }
  uint32_t xen_major() const { return xen_major_; }
  uint32_t xen_minor() const { return xen_minor_; }

  // The next record; END is the last, and after it nothing but libxl's END may stand in the file.
  std::optional<LibxcRecord> next();

  // Bytes of a body. Throws Error(bad_image) if they are not all inside it.
  void read(const LibxcRecord& record, uint64_t at, std::span<std::byte> into) const;
  // The whole body, which has at most so many bytes.
  Bytes body(const LibxcRecord& record, size_t most) const;

 private:
  Bytes take(size_t bytes, const char* what);

  const InputFile& file_;
  bool in_xl_file_;
  uint64_t at_, end_;
  bool ended_ = false;
  uint32_t version_ = 0, xen_major_ = 0, xen_minor_ = 0;
};

// "record of type 0x1 at byte 926": how messages name a place.
std::string place_of(const LibxcRecord& record);

// The headers, and a record with its padding.
Bytes encode_libxc_headers(uint32_t xen_major, uint32_t xen_minor);
Bytes encode_libxc_record(Type type, std::span<const std::byte> body);

}  // namespace ferry::convert
