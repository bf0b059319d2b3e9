// How much memory a configuration gives its guest.
#include "config/memory_target.h"

#include <gtest/gtest.h>

namespace ferry {
namespace {

using Json = nlohmann::ordered_json;

TEST(MemoryTarget, is_the_target_or_else_what_the_guest_may_have) {
  EXPECT_EQ(memory_target_kib(Json::parse(R"({"b_info": {"target_memkb": 5, "max_memkb": 9}})")),
            5u);
  EXPECT_EQ(memory_target_kib(Json::parse(R"({"b_info": {"max_memkb": 9}})")), 9u);
  EXPECT_EQ(memory_target_kib(Json::parse(R"({"b_info": {}})")), std::nullopt);
  EXPECT_EQ(memory_target_kib(Json::parse("{}")), std::nullopt);
  EXPECT_EQ(memory_target_kib(Json::parse(R"({"b_info": {"target_memkb": "5"}})")), std::nullopt);
}

TEST(MemoryTarget, that_is_set_is_within_what_the_guest_may_have) {
  Json config = Json::parse(R"({"b_info": {"target_memkb": 5, "max_memkb": 9}})");
  set_memory_target(config, 7);
  EXPECT_EQ(config, Json::parse(R"({"b_info": {"target_memkb": 7, "max_memkb": 9}})"));
  set_memory_target(config, 12);
  EXPECT_EQ(config, Json::parse(R"({"b_info": {"target_memkb": 12, "max_memkb": 12}})"));
}

}  // namespace
}  // namespace ferry
