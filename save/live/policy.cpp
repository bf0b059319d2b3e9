// When a live save stops sending and suspends the guest.
#include "save/live/policy.h"

#include <algorithm>

#include <fmt/format.h>

namespace ferry {
namespace {

// The guest's vCPUs, its p2m, the index and the end of the image: measured, a few milliseconds.
constexpr uint64_t kStateUs = 5'000;

// A prediction counts as progress if it is lower by a twentieth at least.
constexpr double kProgress = 0.95;

// Near the limits, a moment this close to the best one seen is taken.
constexpr double kAlmostBest = 1.1;

// The last rounds before a limit, in which the best moment is looked for.
constexpr uint32_t kLastRounds = 4;

const char* name_of(Decision::Verdict verdict) {
  switch (verdict) {
    case Decision::Verdict::go_on:
      return "go on";
    case Decision::Verdict::suspend:
      return "stop";
    case Decision::Verdict::cancel:
      return "cancel";
  }
  return "?";
}

std::string explain(const RoundFigures& f, const Decision& d, const char* reason) {
  return fmt::format(
      "round {}: {} ({}): {} KiB changed in {} ms, {} KiB put off, scan {} ms, sent {} KiB in "
      "{} ms; would stand still for {} ms for its memory and {} ms for the rest",
      f.round, name_of(d.verdict), reason, f.dirty_bytes >> 10, f.round_us / 1000,
      f.owed_bytes >> 10, f.scan_us / 1000, f.sent_bytes >> 10, f.send_us / 1000,
      d.downtime.memory_us / 1000, d.downtime.fixed_us / 1000);
}

}  // namespace

// The pages found, those that will have come to them until the guest stands still, and one more
// scan. A working set is written again and again: new pages come in slower the longer it goes on,
// so what came in during the round, scaled down to the time left, is the least that will come, and
// all of it again the most. The truth for short times lies near the first.
Prediction Policy::predict(const RoundFigures& f) const {
  const double until_still = static_cast<double>(f.scan_us + f.suspend_us);
  const double round = static_cast<double>(std::max<uint64_t>(f.round_us, 1));
  const double more =
      static_cast<double>(f.dirty_bytes) * std::min(1.0, until_still / (round + until_still));
  const double bytes = static_cast<double>(f.dirty_bytes + f.owed_bytes) + more;
  Prediction p;
  p.memory_us = f.scan_us;
  if (bytes_per_us_ > 0) p.memory_us += static_cast<uint64_t>(bytes / bytes_per_us_);
  p.fixed_us = f.suspend_us + kStateUs;
  return p;
}

bool Policy::at_limit(const RoundFigures& f) const {
  const bool rounds_used =
      f.round >= options_.max_rounds && options_.on_stall != OnStall::keep_going;
  // What one more round and the last one take would not fit any more.
  const bool late =
      options_.deadline_us != 0 && f.elapsed_us + last_round_us_ + best_us_ >= options_.deadline_us;
  return rounds_used || late;
}

bool Policy::near_limit(const RoundFigures& f) const {
  if (options_.on_stall != OnStall::keep_going && f.round + kLastRounds >= options_.max_rounds)
    return true;
  return options_.deadline_us != 0 &&
         f.elapsed_us + kLastRounds * last_round_us_ >= options_.deadline_us;
}

Decision Policy::decide(const RoundFigures& f) {
  if (f.send_us > 0 && f.sent_bytes > 0) {
    const double rate = static_cast<double>(f.sent_bytes) / static_cast<double>(f.send_us);
    // A round of a few pages says little: it is mostly waiting.
    const double weight = f.sent_bytes >= (8u << 20) ? 0.7 : f.sent_bytes >= (1u << 20) ? 0.3 : 0.1;
    bytes_per_us_ = bytes_per_us_ == 0 ? rate : bytes_per_us_ + weight * (rate - bytes_per_us_);
  }
  last_round_us_ = f.round_us + f.scan_us;

  Decision d;
  d.downtime = predict(f);
  const uint64_t memory_us = d.downtime.memory_us;
  const bool progress = static_cast<double>(memory_us) < kProgress * static_cast<double>(best_us_);
  best_us_ = std::min(best_us_, memory_us);
  rounds_without_progress_ = progress ? 0 : rounds_without_progress_ + 1;
  d.stalled = rounds_without_progress_ >= options_.stall_rounds;

  const auto decided = [&](Decision::Verdict verdict, const char* reason) {
    d.verdict = verdict;
    d.why = explain(f, d, reason);
    return d;
  };
  using enum Decision::Verdict;
  if (memory_us <= options_.max_downtime_us) return decided(suspend, "the target is met");
  if (at_limit(f)) {
    d.stalled = true;
    if (options_.on_stall == OnStall::cancel) return decided(cancel, "the target cannot be met");
    return decided(suspend, "the limit is reached");
  }
  if (d.stalled && near_limit(f) && options_.on_stall == OnStall::stop &&
      static_cast<double>(memory_us) <= kAlmostBest * static_cast<double>(best_us_))
    return decided(suspend, "it gets no better");
  return decided(go_on, d.stalled ? "no progress, a better moment may come" : "it gets better");
}

}  // namespace ferry
