// Text from images, guests and peers, made fit for a terminal.
//
//   0xxxxxxx   110xxxxx 10xxxxxx   1110xxxx 10xxxxxx 10xxxxxx   11110xxx 10xxxxxx 10xxxxxx 10xxxxxx
#include "text/printable.h"

#include <cstdint>

#include <fmt/format.h>

namespace ferry {
namespace {

struct Character {
  uint32_t code = 0;
  size_t bytes = 0;  // 0: what stands there is no UTF-8
};

Character first_of(std::string_view text) {
  constexpr uint32_t kLowest[] = {0, 0, 0x80, 0x800, 0x10000};
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  uint32_t code = lead & (0x7fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  if (code < kLowest[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, bytes};
}

bool steers(uint32_t code) {
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;  // C0, DEL, C1
  if (code == 0x61c || code == 0x200e || code == 0x200f) return true;
  if (code == 0x2028 || code == 0x2029) return true;  // ends of lines and paragraphs
  return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const Character c = first_of(text);
    const size_t bytes = c.bytes == 0 ? 1 : c.bytes;
    if (c.bytes == 0 || (c.bytes == 1 && steers(c.code)))
      clean += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[0]));
    else if (steers(c.code))
      clean += fmt::format("\\u{:04x}", c.code);
    else
      clean += text.substr(0, bytes);
    text.remove_prefix(bytes);
  }
  return clean;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Character c = first_of(text);
    if (c.bytes == 0) return false;
    text.remove_prefix(c.bytes);
  }
  return true;
}

}  // namespace ferry
