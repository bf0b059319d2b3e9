// A domain's uuid as libxl writes it.
#include "sim/toolstack/uuid.h"

#include <charconv>

#include "error/error.h"

namespace ferry::sim {

std::string uuid_text(const std::array<uint8_t, 16>& uuid) {
  std::string text;
  for (unsigned i = 0; i < uuid.size(); ++i)
    text += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
  return text;
}

std::array<uint8_t, 16> uuid_of(const std::string& text) {
  std::array<uint8_t, 16> uuid{};
  size_t at = 0, bytes = 0;
  while (at + 1 < text.size() && bytes < uuid.size()) {
    if (text[at] == '-') {
      ++at;
      continue;
    }
    const char* end = text.data() + at + 2;
    if (std::from_chars(text.data() + at, end, uuid[bytes], 16).ptr != end) break;
    ++bytes;
    at += 2;
  }
  if (bytes != uuid.size() || at != text.size()) fail(Errc::bad_image, "\"{}\" is no uuid", text);
  return uuid;
}

}  // namespace ferry::sim
