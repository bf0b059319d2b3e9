// Which seeds a random test runs.
//   FERRY_SEED=N    that one only (tools/test --seed N)
//   FERRY_SEEDS=N   1 to N instead of as many as the test runs by itself; FERRY_SEEDS=A-B from A on
//   FERRY_SHARD=I/N of these only every Nth, from the Ith (counted from 0): ctest runs the shards
//                   side by side
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace ferry::sim {

inline uint64_t number_in(const char* variable, uint64_t otherwise) {
  const char* set = std::getenv(variable);
  return set && *set ? std::strtoull(set, nullptr, 10) : otherwise;
}

// True if only one seed is replayed: then what holds over all seeds cannot be asked for.
inline bool replays_one_seed() {
  return number_in("FERRY_SEED", 0) != 0;
}

// A seed that ends the whole program is named all the same.
inline char running_seed[96] = "";
inline void tell_running_seed() {
  if (write(STDERR_FILENO, running_seed, strlen(running_seed)) < 0) _exit(1);
}
inline void tell_seed_of_a_crash() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  __sanitizer_set_death_callback(tell_running_seed);
#else
  for (const int signal_number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
    signal(signal_number, [](int number) {
      tell_running_seed();
      signal(number, SIG_DFL);
      raise(number);
    });
#endif
}

// Calls run(seed) until a seed fails, and says how to repeat that one.
template <typename Run>
void for_seeds(uint64_t by_default, Run run) {
  uint64_t first = 1, last = by_default, step = 1;
  unsigned shard = 0, shards = 1;
  if (const char* set = std::getenv("FERRY_SEEDS"))
    if (std::sscanf(set, "%" SCNu64 "-%" SCNu64, &first, &last) == 1) last = first, first = 1;
  if (const char* set = std::getenv("FERRY_SHARD"))
    if (std::sscanf(set, "%u/%u", &shard, &shards) == 2 && shards) first += shard, step = shards;
  if (replays_one_seed()) first = last = number_in("FERRY_SEED", 0);
  tell_seed_of_a_crash();
  for (uint64_t seed = first; seed <= last; seed += step) {
    const std::string replay = fmt::format("replay it with: tools/test --seed {}", seed);
    const std::string crashed = fmt::format("seed {} crashed; {}\n", seed, replay);
    running_seed[crashed.copy(running_seed, sizeof running_seed - 1)] = 0;
    {
      SCOPED_TRACE(replay);
      run(seed);
    }
    if (!::testing::Test::HasFailure()) continue;
    fmt::print("seed {} failed; {}\n", seed, replay);
    return;
  }
}

}  // namespace ferry::sim
