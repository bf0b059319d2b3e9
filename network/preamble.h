// The clear bytes that open a connection, before TLS begins. They say that this is ferry, and
// nothing else: who calls, and what for, is said inside of TLS.
//
//   | "FERRYTCP" 8 | random 16 | 0 0 0 0 0 0 0 0 |
//
// The first version of ferry takes the random bytes for a job's number that it has never heard of,
// and says inside of TLS which version it speaks.
#pragma once

#include <array>
#include <cstddef>

namespace ferry {

inline constexpr size_t kPreambleBytes = 32;
using PreambleBytes = std::array<std::byte, kPreambleBytes>;

// Throws Error(io).
PreambleBytes make_preamble();
bool is_preamble(const PreambleBytes& bytes);

}  // namespace ferry
