// A domain's uuid, and its text as libxl writes it.
#include "xen/uuid.h"

#include <sys/random.h>

#include <cerrno>
#include <charconv>

#include "error/error.h"

namespace ferry {

std::string uuid_text(const DomainUuid& uuid) {
  std::string text;
  for (unsigned i = 0; i < uuid.size(); ++i)
    text += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
  return text;
}

DomainUuid uuid_of(const std::string& text) {
  DomainUuid uuid{};
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

DomainUuid random_uuid() {
  DomainUuid uuid{};
  if (getrandom(uuid.data(), uuid.size(), 0) != ssize_t{sizeof uuid})
    fail_errno(Errc::io, errno, "no randomness for a uuid");
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

}  // namespace ferry
