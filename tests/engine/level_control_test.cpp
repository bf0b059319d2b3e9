// The level that is chosen as a save goes on, over simulated sinks and pages: nothing here depends
// on how fast the machine is.
#include "save/level_control.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/engine/virtual_save.h"

namespace ferry {
namespace {

constexpr int kLevels[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 15, 19};

// As measured of zstd on the programs in /usr/bin, a core of some server (bench/bench_level).
AtLevel of_programs(int level) {
  switch (level) {
    case 0:
      return {0.13, 1};
    case 1:
      return {2.3, 0.398};
    case 2:
      return {2.8, 0.376};
    case 3:
      return {4.2, 0.361};
    case 4:
      return {5.2, 0.358};
    case 5:
      return {8.6, 0.348};
    case 6:
      return {10.4, 0.342};
    case 7:
      return {14.1, 0.340};
    case 9:
      return {18.1, 0.338};
    case 12:
      return {40, 0.337};
    case 15:
      return {104, 0.335};
    default:
      return {320, 0.325};
  }
}

AtLevel of_noise(int level) {
  return {level == 0 ? 0.13 : 0.15, 1};
}

// A core that is so many times as slow, pages that compress so much worse.
AtLevel like_programs(int level, double slower, double worse) {
  const AtLevel of = of_programs(level);
  return {level == 0 ? of.cost : of.cost * slower, level == 0 ? 1 : std::min(1.0, of.left * worse)};
}

double nanoseconds_a_byte(double mb_a_second) {
  return 1000 / mb_a_second;
}

VirtualSave to_sink(double mb_a_second) {
  VirtualSave save;
  save.at = [](uint64_t, int level) { return of_programs(level); };
  save.sink = [=](uint64_t) { return nanoseconds_a_byte(mb_a_second); };
  return save;
}

uint64_t best_of_fixed(const VirtualSave& save) {
  uint64_t best = UINT64_MAX;
  for (const int level : kLevels) best = std::min(best, save.run(level));
  return best;
}

double chosen_to_best(const VirtualSave& save) {
  return static_cast<double>(save.run(std::nullopt)) / static_cast<double>(best_of_fixed(save));
}

TEST(LevelControl, is_within_a_tenth_of_the_best_fixed_level_at_every_speed_of_the_sink) {
  for (const unsigned width : {1u, 2u, 4u, 16u})
    for (double speed = 5; speed < 20'000; speed *= 1.5) {
      VirtualSave save = to_sink(speed);
      save.width = width;
      save.batches = 1024;
      EXPECT_LE(chosen_to_best(save), 1.1) << width << " wide, " << speed << " MB/s";
    }
}

// From 0 to 1, of each number another one.
double scattered(uint64_t seed, uint64_t number) {
  uint64_t z = (seed ^ number) * 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ z >> 31) >> 11) / static_cast<double>(uint64_t{1} << 53);
}

struct Mixture {
  VirtualSave save;
  uint64_t start;  // what the first batches take at level 1, before anybody knows the sink
};

// A guest of some noise and some data that compresses as it likes, on a machine of any speed.
Mixture some_mixture(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto between = [&](double least, double most) {
    return least * std::pow(most / least, std::uniform_real_distribution(0.0, 1.0)(random));
  };
  VirtualSave save = to_sink(between(5, 20'000));
  save.width = std::uniform_int_distribution(1u, 16u)(random);
  save.batches = 1024;
  save.produced = between(0.02, 2);
  const double slower = between(0.5, 5), worse = between(0.3, 2.4), noise = between(0.01, 1);
  const uint64_t pages = random();
  save.bytes = [=](uint64_t batch) {
    return static_cast<uint64_t>(scattered(pages, batch) * (2 << 20));
  };
  save.at = [=](uint64_t batch, int level) {
    return scattered(pages, ~batch) < noise / 2 ? of_noise(level)
                                                : like_programs(level, slower, worse);
  };
  const double batch_at_level_1 = of_programs(1).cost * slower * (2 << 20);
  return {save, static_cast<uint64_t>(3 * batch_at_level_1)};
}

TEST(LevelControl, is_near_the_best_whatever_the_pages_and_the_machine) {
  constexpr uint64_t kSeeds = 300;
  unsigned within_a_tenth = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Mixture mixture = some_mixture(seed);
    const uint64_t chosen = mixture.save.run(std::nullopt);
    const auto best = static_cast<double>(best_of_fixed(mixture.save));
    const auto later = static_cast<double>(chosen - std::min(chosen, mixture.start));
    EXPECT_LE(later, 1.35 * best) << "seed " << seed;
    within_a_tenth += later <= 1.1 * best;
  }
  EXPECT_GE(within_a_tenth, kSeeds * 9 / 10);
}

TEST(LevelControl, stores_raw_what_goes_to_a_sink_that_costs_nothing) {
  VirtualSave save = to_sink(1e9);
  std::vector<int> levels;
  save.run(std::nullopt, &levels);
  // But for the first ones, and one now and then.
  EXPECT_GE(std::ranges::count(levels, 0), static_cast<long>(levels.size()) - 10);
}

TEST(LevelControl, takes_its_highest_level_soon_where_the_sink_is_slow) {
  VirtualSave save = to_sink(10);
  std::vector<int> levels;
  save.run(std::nullopt, &levels);
  EXPECT_LE(std::ranges::find(levels, LevelControl::kHighest) - levels.begin(), 40);
  EXPECT_EQ(levels.back(), LevelControl::kHighest);
}

// A limit that is lifted when the guest is suspended, a link that others use too.
TEST(LevelControl, follows_a_sink_that_changes) {
  for (const auto& [before, after] : {std::pair{20.0, 1e6}, {1e6, 20.0}, {100.0, 2000.0}}) {
    VirtualSave save = to_sink(1);
    save.batches = 2048;
    save.sink = [=, half = save.batches / 2](uint64_t batch) {
      return nanoseconds_a_byte(batch < half ? before : after);
    };
    VirtualSave first = to_sink(before), second = to_sink(after);
    first.batches = second.batches = save.batches / 2;
    EXPECT_LE(static_cast<double>(save.run(std::nullopt)),
              1.12 * static_cast<double>(best_of_fixed(first) + best_of_fixed(second)))
        << before << " to " << after;
  }
}

TEST(LevelControl, comes_down_at_once_when_there_is_something_behind_noise) {
  VirtualSave save = to_sink(1500);
  save.batches = 2048;
  save.at = [](uint64_t batch, int level) {
    return batch < 1024 ? of_noise(level) : of_programs(level);
  };
  EXPECT_LE(chosen_to_best(save), 1.1);
}

TEST(LevelControl, chooses_the_same_where_all_takes_the_same) {
  std::vector<int> first, second;
  to_sink(700).run(std::nullopt, &first);
  to_sink(700).run(std::nullopt, &second);
  EXPECT_EQ(first, second);
}

TEST(LevelControl, leaves_a_level_that_was_asked_for_and_looks_at_no_clock_then) {
  for (const int level : {0, 2, 19}) {
    LevelControl control(level, 2, []() -> uint64_t { throw std::logic_error("a clock"); });
    for (int batch = 0; batch < 100; ++batch) {
      EXPECT_EQ(control.next().level, level);
      EXPECT_EQ(control.now(), 0u);
      control.written(control.next(), {.bytes = 2 << 20, .stored = 2 << 20});
    }
  }
}

}  // namespace
}  // namespace ferry
