// A small deterministic generator (splitmix64): the same state gives the same numbers everywhere.
#pragma once

#include <cstdint>

namespace ferry::sim {

constexpr uint64_t next_random(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() { return next_random(state_); }
  // Uniform below bound, which is at least 1; the bias of the remainder does not matter here.
  uint64_t below(uint64_t bound) { return next() % bound; }
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  uint64_t state_;
};

}  // namespace ferry::sim
