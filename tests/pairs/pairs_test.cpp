// Every pair of commands on one guest: the first is held before each of its calls that change a
// file, a socket or a domain, or killed there, while the second runs as far as it can. Afterwards
// the guest can run in exactly one place, with memory as new as its disk.
//
//   --gtest_filter=migrate__xl_save.held_at_12     one pair, one point
//   FERRY_PAIRS=N           that many cases, picked by FERRY_SEED or FERRY_SEED_BASE (default 1)
//   FERRY_PAIRS_SECONDS=N   begins no case after so many seconds
//   FERRY_SHARD=I/N         every Nth pair, from the Ith (counted from 0), with all of its points
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>
#include <random>

#include <fmt/format.h>

#include "tests/engine/seeds.h"
#include "tests/pairs/meeting.h"

namespace ferry::pairs {
namespace {

using sim::number_in;

std::unique_ptr<Stage> the_stage;

struct Case {
  const First* first;
  const Command* second;
  unsigned point;
  bool kill;
  std::string pair() const { return first->name + "__" + second->name; }
  std::string name() const { return fmt::format("{}_at_{}", kill ? "killed" : "held", point); }
};

std::chrono::steady_clock::time_point last_start() {
  static const auto at = std::chrono::steady_clock::now() +
                         std::chrono::seconds(number_in("FERRY_PAIRS_SECONDS", 1'000'000));
  return at;
}

class Pair : public ::testing::Test {
 public:
  explicit Pair(Case one) : case_(std::move(one)) {}

  void TestBody() override {
    if (std::chrono::steady_clock::now() > last_start()) GTEST_SKIP() << "no time left";
    const Outcome outcome = meet(*the_stage, *case_.first, *case_.second, case_.point, case_.kill);
    EXPECT_EQ(outcome.wrong, "") << fmt::format(
        "{} before \"{}\":\n{}  replay it with: build/release/tests/pairs_test "
        "--gtest_filter={}.{}\n",
        case_.kill ? "killed" : "held", outcome.point, outcome.history, case_.pair(), case_.name());
  }

 private:
  Case case_;
};

// One that was asked for, or the new one of this run (tools/test).
uint64_t the_seed() {
  return number_in("FERRY_SEED", number_in("FERRY_SEED_BASE", 1));
}

// By pairs and not by cases: a command that waits for another program makes more calls in one run
// than in the next, so that no two programs count the same cases.
bool is_in_shard(size_t pair) {
  unsigned shard = 0, shards = 0;
  const char* set = std::getenv("FERRY_SHARD");
  if (!set || std::sscanf(set, "%u/%u", &shard, &shards) != 2 || shards == 0) return true;
  return pair % shards == shard;
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  size_t pair = 0;
  for (const First& first : firsts()) {
    const unsigned points = count_points(*the_stage, first);
    for (const Command& second : commands()) {
      if (is_left_out(first, second) || !is_in_shard(pair++)) continue;
      for (unsigned point = 1; point <= points; ++point)
        for (const bool kill : {false, true}) all.push_back({&first, &second, point, kill});
    }
  }
  return all;
}

std::vector<Case> sample_of(std::vector<Case> all, size_t wanted) {
  std::mt19937_64 random(the_seed());
  std::shuffle(all.begin(), all.end(), random);
  all.resize(std::min(all.size(), wanted));
  return all;
}

void register_cases() {
  std::vector<Case> cases = all_cases();
  fmt::print("{} commands before {} others: {} cases\n", firsts().size(), commands().size(),
             cases.size());
  if (const uint64_t wanted = number_in("FERRY_PAIRS", 0)) {
    cases = sample_of(std::move(cases), wanted);
    fmt::print("{} of them by seed {}\n", cases.size(), the_seed());
  }
  for (const Case& one : cases)
    ::testing::RegisterTest(one.pair().c_str(), one.name().c_str(), nullptr, nullptr, __FILE__,
                            __LINE__, [one]() -> ::testing::Test* { return new Pair(one); });
}

}  // namespace
}  // namespace ferry::pairs

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ferry::pairs::adopt_orphans();
  ferry::pairs::the_stage = std::make_unique<ferry::pairs::Stage>();
  ferry::pairs::register_cases();
  const int status = RUN_ALL_TESTS();
  ferry::pairs::the_stage.reset();
  return status;
}
