// Which seeds a random test runs.
//   FERRY_SEED=N    that one only (tools/test --seed N)
//   FERRY_SEEDS=N   1 to N instead of as many as the test runs by itself; FERRY_SEEDS=A-B from A on
//   FERRY_SEED_BASE=B  B, B+1 and so on instead of 1, 2 …: new ones, if B is
//   FERRY_SECONDS=S with a base: as many as fit into that time, but no fewer than by itself
//   FERRY_SHARD=I/N of these only every Nth, from the Ith (counted from 0): ctest runs the shards
//                   side by side
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

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

// True if nobody has run these seeds before: what is only likely over all of them cannot be asked
// for.
inline bool runs_new_seeds() {
  return number_in("FERRY_SEED_BASE", 0) != 0;
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

// The seeds to run, and until when those that follow them.
struct Seeds {
  uint64_t first = 1, last = 0, step = 1;
  std::chrono::steady_clock::time_point until{};
};

inline Seeds chosen_seeds(uint64_t by_default) {
  Seeds s{.last = by_default};
  if (const char* set = std::getenv("FERRY_SEEDS"))
    if (std::sscanf(set, "%" SCNu64 "-%" SCNu64, &s.first, &s.last) == 1)
      s.last = s.first, s.first = 1;
  if (runs_new_seeds()) {
    s.first += number_in("FERRY_SEED_BASE", 0) - 1, s.last += number_in("FERRY_SEED_BASE", 0) - 1;
    s.until =
        std::chrono::steady_clock::now() + std::chrono::seconds(number_in("FERRY_SECONDS", 0));
  }
  unsigned shard = 0, shards = 1;
  if (const char* set = std::getenv("FERRY_SHARD"))
    if (std::sscanf(set, "%u/%u", &shard, &shards) == 2 && shards)
      s.first += shard, s.step = shards;
  if (replays_one_seed())
    s = {.first = number_in("FERRY_SEED", 0), .last = number_in("FERRY_SEED", 0)};
  return s;
}

// Calls run(seed) until a seed fails, and says how to repeat that one.
template <typename Run>
void for_seeds(uint64_t by_default, Run run) {
  const Seeds seeds = chosen_seeds(by_default);
  tell_seed_of_a_crash();
  uint64_t seed = seeds.first;
  for (; seed <= seeds.last || std::chrono::steady_clock::now() < seeds.until; seed += seeds.step) {
    const std::string replay = fmt::format("replay it with: tools/test --seed {}", seed);
    const std::string crashed = fmt::format("seed {} crashed; {}\n", seed, replay);
    running_seed[crashed.copy(running_seed, sizeof running_seed - 1)] = 0;
    {
      SCOPED_TRACE(replay);
      // gtest would end the whole test here, and name no seed.
      try {
        run(seed);
      } catch (const std::exception& e) {
        ADD_FAILURE() << "seed " << seed << " threw: " << e.what();
      }
    }
    if (!::testing::Test::HasFailure()) continue;
    fmt::print("seed {} failed; {}\n", seed, replay);
    return;
  }
  if (runs_new_seeds()) fmt::print("seeds {} to {} passed\n", seeds.first, seed - seeds.step);
}

}  // namespace ferry::sim
