// The clear bytes that open a connection.
#include "network/preamble.h"

#include <algorithm>
#include <cstring>

namespace ferry {
namespace {

constexpr char kMagic[] = "FERRYTCP";
constexpr size_t kJobAt = 8, kJobBytes = 16, kStreamAt = 24, kZerosAt = 28;

}  // namespace

PreambleBytes encode(const Preamble& preamble) {
  PreambleBytes bytes{};
  std::memcpy(bytes.data(), kMagic, kJobAt);
  std::memcpy(bytes.data() + kJobAt, preamble.job.data(), std::min(preamble.job.size(), kJobBytes));
  for (unsigned i = 0; i < 4; ++i)
    bytes[kStreamAt + i] = static_cast<std::byte>(preamble.stream >> (8 * i));
  return bytes;
}

std::optional<Preamble> decode_preamble(const PreambleBytes& bytes) {
  if (std::memcmp(bytes.data(), kMagic, kJobAt) != 0) return std::nullopt;
  if (std::any_of(bytes.begin() + kZerosAt, bytes.end(),
                  [](std::byte b) { return b != std::byte{0}; }))
    return std::nullopt;
  Preamble preamble;
  preamble.job.assign(reinterpret_cast<const char*>(bytes.data() + kJobAt), kJobBytes);
  for (unsigned i = 0; i < 4; ++i)
    preamble.stream |= std::to_integer<uint32_t>(bytes[kStreamAt + i]) << (8 * i);
  return preamble;
}

}  // namespace ferry
