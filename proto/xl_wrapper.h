// The two layers that xl or libvirt, and libxl put around a saved domain's memory.
//
//   xl header     | magic, 32 | byte order 4 | mandatory 4 | optional 4 | length 4 | config |
//   or libvirt's  | "libvirt-xml\n \0 \r", 16 | version 4 | length 4 | 40 | the domain's XML |
//   libxl header  | "LibxlFmt" | version 4, big-endian | options 4, big-endian |
//   libxl record  | type 1: LIBXC_CONTEXT, 4 | length 0, 4 |
//   … the image, or a libxc stream …
//   libxl record  | type 0: END, 4 | length 0, 4 |
//
// config is a 4-byte number of bytes, then so many bytes, the last one NUL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "io/byte_stream.h"
#include "proto/record.h"

namespace ferry {

inline constexpr uint32_t kXlFlagJson = 1;      // mandatory_flags: the config is JSON
inline constexpr uint32_t kXlFlagStreamV2 = 2;  // mandatory_flags: a libxl stream follows

struct XlHeader {
  uint32_t mandatory_flags = 0;
  std::string config;       // without a trailing NUL; empty if libvirt saved the domain
  bool of_libvirt = false;  // whose XML is libvirt's business
};

inline constexpr size_t kXlMagicBytes = 32;
bool looks_like_xl_file(std::span<const std::byte> first_bytes);  // or libvirt's

// Reads xl header or libvirt's, libxl header and the LIBXC_CONTEXT record, and stops at the first
// byte of what is inside. Throws Error(bad_image) or Error(io); a config over 4 MiB is refused.
XlHeader read_xl_header(ByteSource& source);

// The same, written; then the image goes in, then the END record.
Bytes encode_xl_header(const XlHeader& header);
Bytes encode_libxl_end();

}  // namespace ferry
