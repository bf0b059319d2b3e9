// A save in which nothing happens but time: batches that take as long to be worked on and written
// as somebody says, in the order and with as many under way as the executor of threads has.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "save/level_control.h"

namespace ferry {

// What becomes of the pages at a level: nanoseconds a byte on one core, and the share that is left.
struct AtLevel {
  double cost = 0, left = 1;
};

struct VirtualSave {
  unsigned width = 2;
  uint64_t batches = 512;
  double produced = 0.09;  // nanoseconds a byte, on the thread that begins batches
  std::function<uint64_t(uint64_t batch)> bytes = [](uint64_t) { return uint64_t{2} << 20; };
  std::function<AtLevel(uint64_t batch, int level)> at;
  std::function<double(uint64_t batch)> sink;  // nanoseconds a byte of it

  // Nanoseconds it takes; levels, if given, gets those of all batches.
  uint64_t run(std::optional<int> level, std::vector<int>* levels = nullptr) const;
};

}  // namespace ferry
