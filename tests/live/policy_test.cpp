// The policy against simulated guests: where somebody who knows the future finds a moment that
// meets the target, so does the policy; and it always comes to an end.
#include <gtest/gtest.h>

#include <algorithm>

#include <fmt/format.h>

#include "tests/live/dirty_curve.h"

namespace ferry {
namespace {

constexpr uint32_t kRuns = 10'000;
constexpr uint64_t kDeadlineUs = 600'000'000;

struct Ending {
  Decision::Verdict verdict = Decision::Verdict::go_on;
  double downtime_us = 0;
  uint32_t rounds = 0;
  bool stalled = false;
  uint64_t predicted_us = 0;
};

PolicyOptions options_of(uint64_t seed) {
  PolicyOptions options;
  if (seed % 2) options.deadline_us = kDeadlineUs;
  return options;
}

// Within the same rounds and deadline, with the future known.
bool oracle_finds_a_moment(uint64_t seed) {
  const PolicyOptions options = options_of(seed);
  SimulatedSave save(seed);
  for (uint32_t round = 1; round <= options.max_rounds; ++round) {
    save.next();
    const double down = save.downtime_us();
    if (options.deadline_us && save.elapsed_us() + down > static_cast<double>(options.deadline_us))
      return false;
    if (down <= static_cast<double>(options.max_downtime_us)) return true;
  }
  return false;
}

Ending run_policy(uint64_t seed, const PolicyOptions& options) {
  SimulatedSave save(seed);
  Policy policy(options);
  for (;;) {
    const RoundFigures figures = save.next();
    const Decision d = policy.decide(figures);
    if (d.verdict != Decision::Verdict::go_on)
      return {d.verdict, save.downtime_us(), figures.round, d.stalled, d.downtime.memory_us};
    if (figures.round > 10 * options.max_rounds) return {};
  }
}

TEST(Policy, meets_the_target_wherever_an_oracle_that_knows_the_future_can) {
  uint32_t possible = 0, met = 0, declared = 0, late = 0;
  double rounds = 0, error = 0;
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    const PolicyOptions options = options_of(seed);
    const bool can_be_met = oracle_finds_a_moment(seed);
    const Ending ending = run_policy(seed, options);
    ASSERT_EQ(ending.verdict, Decision::Verdict::suspend) << "seed " << seed;
    ASSERT_LE(ending.rounds, options.max_rounds) << "seed " << seed;
    const bool in_time = ending.downtime_us <= 1.1 * static_cast<double>(options.max_downtime_us);
    rounds += ending.rounds;
    possible += can_be_met;
    met += can_be_met && in_time;
    if (can_be_met && in_time)
      error += static_cast<double>(ending.predicted_us) / ending.downtime_us - 1;
    if (!can_be_met && !in_time) {
      ++late;
      declared += ending.stalled;
    }
  }
  fmt::print(
      "{} runs, {:.1f} rounds each: an oracle meets the target in {}, the policy in {} of them "
      "({:.2f} %; predictions {:+.0f} % off); of {} that cannot meet it {} are declared stalled, "
      "{} "
      "became busy in the very moment of their suspension\n",
      kRuns, rounds / kRuns, possible, met, 100.0 * met / possible, 100 * error / met, late,
      declared, late - declared);
  EXPECT_GT(possible, kRuns / 5);
  EXPECT_GT(late, kRuns / 20);
  EXPECT_GE(met, 0.99 * possible);
  EXPECT_LE(late - declared, kRuns / 500);
}

TEST(Policy, cancels_instead_of_stopping_if_that_was_asked) {
  uint32_t cancelled = 0;
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    PolicyOptions options = options_of(seed);
    options.on_stall = OnStall::cancel;
    const Ending ending = run_policy(seed, options);
    ASSERT_LE(ending.rounds, options.max_rounds) << "seed " << seed;
    if (ending.verdict == Decision::Verdict::suspend) {
      EXPECT_LE(ending.predicted_us, options.max_downtime_us) << "seed " << seed;
      continue;
    }
    ASSERT_EQ(ending.verdict, Decision::Verdict::cancel) << "seed " << seed;
    ++cancelled;
  }
  EXPECT_GT(cancelled, 100u);
}

TEST(Policy, goes_on_until_the_deadline_and_no_longer_if_that_was_asked) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    PolicyOptions options;
    options.on_stall = OnStall::keep_going;
    options.deadline_us = 30'000'000;
    SimulatedSave save(seed);
    Policy policy(options);
    Decision d;
    double before = 0, longest = 0;
    while (d.verdict == Decision::Verdict::go_on) {
      d = policy.decide(save.next());
      longest = std::max(longest, save.elapsed_us() - before);
      before = save.elapsed_us();
    }
    // The round in which it comes to an end may be its first.
    EXPECT_LE(save.elapsed_us(), 30e6 + longest) << "seed " << seed;
  }
}

TEST(Policy, takes_another_target_while_it_runs) {
  Policy policy({});
  RoundFigures f;
  f.round = 1;
  f.dirty_bytes = 50 << 20;
  f.round_us = 10'000'000;
  f.sent_bytes = 100 << 20;
  f.send_us = 1'000'000;
  EXPECT_EQ(policy.decide(f).verdict, Decision::Verdict::go_on);
  policy.set_max_downtime(2'000'000);
  const Decision d = policy.decide(f);
  EXPECT_EQ(d.verdict, Decision::Verdict::suspend);
  EXPECT_NE(d.why.find("51200 KiB changed in 10000 ms"), std::string::npos) << d.why;
}

}  // namespace
}  // namespace ferry
