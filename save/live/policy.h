// When a live save stops sending and suspends the guest. It sees measured figures only, so it runs
// against simulated guests as well as against real ones.
#pragma once

#include <cstdint>
#include <string>

namespace ferry {

// What to do when the downtime target cannot be met within deadline and rounds.
enum class OnStall {
  stop,        // suspend the guest all the same, at the best moment that is left
  keep_going,  // without limit of rounds, until the deadline if there is one
  cancel,      // give up: the guest runs on where it is
};

struct PolicyOptions {
  uint64_t max_downtime_us = 300'000;  // for the memory part, which is what rounds can shorten
  uint32_t max_rounds = 30;            // passes over the guest's memory before the last
  uint64_t deadline_us = 0;            // after the start; 0: none
  uint32_t stall_rounds = 6;           // without progress, until the guest counts as stalled
  OnStall on_stall = OnStall::stop;
};

// Taken after each scan: what would have to be sent if the guest were suspended now.
struct RoundFigures {
  uint32_t round = 0;        // rounds sent so far
  uint64_t dirty_bytes = 0;  // pages that changed since they were sent, before compression
  uint64_t owed_bytes = 0;   // pages that were put off; only a suspended guest lets go of some
  uint64_t round_us = 0;     // since the last scan began, in which dirty_bytes came together
  uint64_t scan_us = 0;      // this scan took
  uint64_t sent_bytes = 0;   // in the last round, before compression
  uint64_t send_us = 0;      // which took
  uint64_t elapsed_us = 0;   // since the save began
  uint64_t suspend_us = 0;   // what suspending is expected to take
};

struct Prediction {
  uint64_t memory_us = 0;  // last scan, and the pages it finds
  uint64_t fixed_us = 0;   // suspending, vCPUs, round trips: rounds do not change it
};

struct Decision {
  enum class Verdict { go_on, suspend, cancel } verdict = Verdict::go_on;
  Prediction downtime;   // if the guest were suspended now
  bool stalled = false;  // no progress, or the limits are reached
  std::string why;       // one line with the figures it was made of
};

class Policy {
 public:
  explicit Policy(const PolicyOptions& options) : options_(options) {}

  // The target can be changed while the save runs.
  void set_max_downtime(uint64_t us) { options_.max_downtime_us = us; }
  const PolicyOptions& options() const { return options_; }

  Decision decide(const RoundFigures& figures);

 private:
  Prediction predict(const RoundFigures& figures) const;
  bool at_limit(const RoundFigures& figures) const;
  bool near_limit(const RoundFigures& figures) const;

  PolicyOptions options_;
  uint64_t best_us_ = ~uint64_t{0};  // lowest prediction so far
  uint32_t rounds_without_progress_ = 0;
  double bytes_per_us_ = 0;  // at which pages go out
  uint64_t last_round_us_ = 0;
};

}  // namespace ferry
