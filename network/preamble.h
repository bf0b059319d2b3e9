// The clear bytes that open a connection, before TLS begins: which job it is for, so that the
// program that listens can hand it to the one that serves the job. They prove nothing: whoever
// connects is known only after TLS, and says inside of it again what it is here for.
//
//   | "FERRYTCP" 8 | job 16 | stream 4, little-endian | 0 0 0 0 |
//
// stream 0 is a job's first connection, the one that carries everything but pages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace ferry {

inline constexpr size_t kPreambleBytes = 32;
using PreambleBytes = std::array<std::byte, kPreambleBytes>;

struct Preamble {
  std::string job;  // 16 bytes
  uint32_t stream = 0;
};

PreambleBytes encode(const Preamble& preamble);
// Nothing if it is none.
std::optional<Preamble> decode_preamble(const PreambleBytes& bytes);

}  // namespace ferry
