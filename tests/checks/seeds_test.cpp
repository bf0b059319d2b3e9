// Which seeds a random test runs is what the environment asks for, so that every failure can be
// repeated.
#include "tests/engine/seeds.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace ferry::sim {
namespace {

using Numbers = std::vector<uint64_t>;

// What for_seeds runs with these variables and no others.
Numbers seeds_with(const std::map<std::string, std::string>& variables, uint64_t by_default = 3) {
  for (const char* name :
       {"FERRY_SEED", "FERRY_SEEDS", "FERRY_SEED_BASE", "FERRY_SECONDS", "FERRY_SHARD"})
    unsetenv(name);
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  Numbers ran;
  for_seeds(by_default, [&](uint64_t seed) { ran.push_back(seed); });
  return ran;
}

TEST(Seeds, are_as_many_as_the_test_runs_by_itself_or_as_are_asked_for) {
  EXPECT_EQ(seeds_with({}), Numbers({1, 2, 3}));
  EXPECT_EQ(seeds_with({{"FERRY_SEEDS", "2"}}), Numbers({1, 2}));
  EXPECT_EQ(seeds_with({{"FERRY_SEEDS", "7-9"}}), Numbers({7, 8, 9}));
  EXPECT_EQ(seeds_with({{"FERRY_SEED", "1795878003"}}), Numbers({1795878003}));
}

TEST(Seeds, of_all_shards_together_are_all_seeds) {
  EXPECT_EQ(seeds_with({{"FERRY_SEEDS", "5"}, {"FERRY_SHARD", "0/2"}}), Numbers({1, 3, 5}));
  EXPECT_EQ(seeds_with({{"FERRY_SEEDS", "5"}, {"FERRY_SHARD", "1/2"}}), Numbers({2, 4}));
}

TEST(Seeds, that_are_new_begin_at_the_base_and_are_no_fewer_than_else) {
  EXPECT_EQ(seeds_with({{"FERRY_SEED_BASE", "1000"}}), Numbers({1000, 1001, 1002}));
  EXPECT_EQ(seeds_with({{"FERRY_SEED_BASE", "1000"}, {"FERRY_SEEDS", "2"}}), Numbers({1000, 1001}));
}

TEST(Seeds, that_are_new_go_on_until_the_time_is_over) {
  const auto begun = std::chrono::steady_clock::now();
  const Numbers ran = seeds_with({{"FERRY_SEED_BASE", "1000"}, {"FERRY_SECONDS", "1"}});
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::seconds(1));
  ASSERT_GT(ran.size(), 3u);
  for (size_t i = 0; i < ran.size(); ++i) EXPECT_EQ(ran[i], 1000 + i);
}

TEST(Seeds, replayed_alone_ignore_base_and_time) {
  EXPECT_EQ(
      seeds_with({{"FERRY_SEED", "5"}, {"FERRY_SEED_BASE", "1000"}, {"FERRY_SECONDS", "100"}}),
      Numbers({5}));
}

}  // namespace
}  // namespace ferry::sim
