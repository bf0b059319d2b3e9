// xl's and libxl's layers around an image (drawn in xl_wrapper.h). Written in the byte order of
// x86, except for the libxl header, which is big-endian always.
#include "proto/xl_wrapper.h"

#include <algorithm>
#include <string_view>

#include "error/error.h"
#include "proto/foreign.h"
#include "proto/wire.h"

namespace ferry {
namespace {

constexpr std::string_view kXlMagic("Xen saved domain, xl format\n \0 \r", kXlMagicBytes);
constexpr uint32_t kByteOrder = 0x01020304;
constexpr size_t kXlFixed = kXlMagicBytes + 4 * 4;
constexpr std::string_view kLibvirtMagic("libvirt-xml\n \0 \r", 16);
constexpr size_t kLibvirtFixed = 64;
constexpr uint32_t kLibvirtVersion = 2;  // of which on what libxl writes is a stream of version 2
constexpr std::string_view kLibxlMagic = "LibxlFmt";
constexpr size_t kLibxlFixed = 16 + 8;  // its header and the LIBXC_CONTEXT record
constexpr uint32_t kLibxlVersion = 2;
constexpr uint32_t kLibxlBigEndian = 1;
constexpr uint32_t kLibxcContext = 1;
constexpr uint32_t kMaxConfig = 4 << 20;  // fits into a Config record
constexpr size_t kStep = 256 << 10;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

uint32_t little(std::span<const std::byte> bytes, size_t at) {
  return wire::get_fixed<uint32_t>(bytes.subspan(at));
}

uint32_t big(std::span<const std::byte> bytes, size_t at) {
  return __builtin_bswap32(little(bytes, at));
}

void put_text(Bytes& out, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Exactly so many bytes, without believing the number before they are there.
Bytes read_all(ByteSource& source, size_t bytes, const char* what) {
  Bytes out;
  while (out.size() < bytes) {
    const size_t have = out.size();
    out.resize(std::min(bytes, have + kStep));
    if (source.read(std::span(out).subspan(have)) < out.size() - have)
      fail(Errc::bad_image, "the xl save file is cut off within its {}", what);
  }
  return out;
}

// The optional data: a length, then the config.
std::string config_of(const Bytes& optional) {
  if (optional.empty()) return {};
  if (optional.size() < 4 || little(optional, 0) > optional.size() - 4)
    fail(Errc::bad_image, "the xl save file's config is longer than the header around it");
  std::string config(text_of(std::span(optional).subspan(4, little(optional, 0))));
  if (config.ends_with('\0')) config.pop_back();
  return config;
}

void read_libxl_header(ByteSource& source) {
  const Bytes header = read_all(source, kLibxlFixed, "libxl header");
  if (!text_of(header).starts_with(kLibxlMagic))
    fail(Errc::bad_image, "the xl save file holds no libxl stream behind its header");
  if (big(header, 8) != kLibxlVersion)
    fail(Errc::bad_image, "the xl save file holds a libxl stream of version {}, not {}",
         big(header, 8), kLibxlVersion);
  if (big(header, 12) & kLibxlBigEndian)
    fail(Errc::bad_image, "the xl save file holds a big-endian libxl stream");
  if (little(header, 16) != kLibxcContext || little(header, 20) != 0)
    fail(Errc::bad_image, "the xl save file's first libxl record is not the domain's memory");
}

void refuse_config_of(uint32_t bytes) {
  if (bytes > kMaxConfig)
    fail(Errc::bad_image, "the xl save file claims to hold {} bytes of config, more than {}", bytes,
         kMaxConfig);
}

bool is_of_libvirt(std::span<const std::byte> first_bytes) {
  return text_of(first_bytes).starts_with(kLibvirtMagic);
}

// The rest of libvirt's header, whose first kXlMagicBytes these are.
XlHeader read_libvirt_header(ByteSource& source, Bytes header) {
  const Bytes rest = read_all(source, kLibvirtFixed - header.size(), "libvirt header");
  header.insert(header.end(), rest.begin(), rest.end());
  const uint32_t version = little(header, 16), xml_bytes = little(header, 20);
  if (version != kLibvirtVersion)
    fail(Errc::bad_image, "libvirt's save file is of version {}, not {}", version, kLibvirtVersion);
  refuse_config_of(xml_bytes);
  read_all(source, xml_bytes, "XML");
  return {.mandatory_flags = kXlFlagStreamV2, .config = {}, .of_libvirt = true};
}

}  // namespace

bool looks_like_xl_file(std::span<const std::byte> first_bytes) {
  return text_of(first_bytes).starts_with(kXlMagic) || is_of_libvirt(first_bytes);
}

XlHeader read_xl_header(ByteSource& source) {
  const Bytes magic = read_all(source, kXlMagicBytes, "header");
  if (!looks_like_xl_file(magic))
    fail(Errc::bad_image, "this is no xl save file: it is {}", what_it_seems(magic));
  if (is_of_libvirt(magic)) {
    XlHeader header = read_libvirt_header(source, magic);
    read_libxl_header(source);
    return header;
  }
  const Bytes fixed = read_all(source, kXlFixed - kXlMagicBytes, "header");
  if (little(fixed, 0) != kByteOrder)
    fail(Errc::bad_image, "the xl save file was written on a machine of another byte order");
  XlHeader header;
  header.mandatory_flags = little(fixed, 4);
  if (header.mandatory_flags & ~(kXlFlagJson | kXlFlagStreamV2))
    fail(Errc::bad_image, "the xl save file has mandatory flags {:#x}, of which ferry knows {:#x}",
         header.mandatory_flags, kXlFlagJson | kXlFlagStreamV2);
  if (!(header.mandatory_flags & kXlFlagStreamV2))
    fail(Errc::bad_image, "the xl save file holds a stream from before Xen 4.6");
  const uint32_t optional_bytes = little(fixed, 12);
  refuse_config_of(optional_bytes);
  header.config = config_of(read_all(source, optional_bytes, "config"));
  read_libxl_header(source);
  return header;
}

Bytes encode_xl_header(const XlHeader& header) {
  const auto config_bytes = static_cast<uint32_t>(header.config.size() + 1);
  Bytes out;
  put_text(out, kXlMagic);
  wire::put_fixed(out, kByteOrder);
  wire::put_fixed(out, header.mandatory_flags);
  wire::put_fixed(out, uint32_t{0});
  wire::put_fixed(out, static_cast<uint32_t>(config_bytes + sizeof config_bytes));
  wire::put_fixed(out, config_bytes);
  put_text(out, header.config);
  out.push_back(std::byte{0});
  put_text(out, kLibxlMagic);
  wire::put_fixed(out, __builtin_bswap32(kLibxlVersion));
  wire::put_fixed(out, uint32_t{0});
  wire::put_fixed(out, kLibxcContext);
  wire::put_fixed(out, uint32_t{0});
  return out;
}

Bytes encode_libxl_end() {
  return Bytes(8);
}

}  // namespace ferry
