// The clear bytes that open a connection.
#include "network/preamble.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "error/error.h"

namespace ferry {
namespace {

constexpr char kMagic[] = "FERRYTCP";
constexpr size_t kMagicBytes = 8, kRandomBytes = 16;

}  // namespace

PreambleBytes make_preamble() {
  PreambleBytes bytes{};
  std::memcpy(bytes.data(), kMagic, kMagicBytes);
  if (getrandom(bytes.data() + kMagicBytes, kRandomBytes, 0) != ssize_t{kRandomBytes})
    fail_errno(Errc::io, errno, "no randomness for a connection");
  return bytes;
}

// What a first version of ferry has in the other bytes is its own: it is answered inside of TLS.
bool is_preamble(const PreambleBytes& bytes) {
  return std::memcmp(bytes.data(), kMagic, kMagicBytes) == 0;
}

}  // namespace ferry
