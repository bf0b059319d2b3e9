// What a file that is no image of ours seems to be, by its first bytes:
//
//   libxc stream   | ff ff ff ff ff ff ff ff | "XENF" | version 4, big-endian | …
//   libxl stream   | "LibxlFmt" | …
//   xl save file   | "Xen saved domain, xl format\n" | …       (proto/xl_wrapper.h)
//   libvirt        | "libvirt-xml\n" | …
#include "proto/foreign.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "proto/xl_wrapper.h"

namespace ferry {
namespace {

constexpr std::string_view kLibxcMarker = "\xff\xff\xff\xff\xff\xff\xff\xffXENF";

}  // namespace

std::string what_it_seems(std::span<const std::byte> first_bytes) {
  const std::string_view text(reinterpret_cast<const char*>(first_bytes.data()),
                              first_bytes.size());
  if (text.empty()) return "empty";
  if (std::all_of(text.begin(), text.end(), [](char c) { return c == 0; }))
    return "nothing but zero bytes where a saved domain should begin";
  if (text.starts_with(kLibxcMarker) && text.size() >= 16)
    return fmt::format("a libxc v{} stream, which stock xl restores and ferry convert reads",
                       static_cast<unsigned char>(text[15]));
  if (text.starts_with("LibxlFmt")) return "a libxl stream without the xl header in front";
  if (looks_like_xl_file(first_bytes)) return "an xl save file inside something else";
  if (text.starts_with("libvirt")) return "a file of libvirt's, but not of its driver for Xen";
  if (text.starts_with("\x1f\x8b")) return "compressed with gzip: decompress it first";
  if (text.starts_with("\x28\xb5\x2f\xfd")) return "compressed with zstd: decompress it first";
  if (text.starts_with("\xfd"
                       "7zXZ"))
    return "compressed with xz: decompress it first";
  return "not a saved domain";
}

}  // namespace ferry
