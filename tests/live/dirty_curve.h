// Simulated guests for the policy: how many pages they dirty in any stretch of time, and what a
// live save of them would measure round after round.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "save/live/policy.h"

namespace ferry {

// A guest's writes over time: phases of different activity, which repeat. In each it writes a hot
// set again and again and streams through other pages once.
class DirtyCurve {
 public:
  explicit DirtyCurve(std::mt19937_64& random);

  double pages() const { return pages_; }
  // Different pages dirtied between two moments, in seconds.
  double dirtied(double from, double to) const;

 private:
  struct Phase {
    double seconds;
    double hot_pages, hot_writes;  // a second
    double streamed;               // pages a second
  };
  double pages_;
  double period_ = 0;
  std::vector<Phase> phases_;
};

// The rounds of a live save of such a guest. Whether to go on is decided by whoever asks; the
// rounds themselves are the same for everybody, so an oracle can look at all of them.
class SimulatedSave {
 public:
  explicit SimulatedSave(uint64_t seed);

  // Sends what the last scan found (everything at first) and scans again.
  RoundFigures next();
  // How long the guest would really stand still for its memory if it were suspended now.
  double downtime_us() const;
  double elapsed_us() const { return now_ * 1e6; }

 private:
  double noisy(double value, double share);

  std::mt19937_64 random_;
  DirtyCurve curve_;
  double bytes_per_second_, scan_seconds_, suspend_seconds_, noise_;
  double now_ = 0, scan_began_ = 0, scan_before_ = 0, found_pages_ = 0;
  uint32_t round_ = 0;
};

}  // namespace ferry
