// A CPU of AMD says in leaf 0x80000001 again what leaf 1 says; the most that Xen offers leaves that
// out. So ferry check found that every such host lacked fpu, tsc, msr and more.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "migrate/cpu_features.h"

namespace ferry {
namespace {

TEST(CpusOfAmd, are_not_missed_in_a_host_that_says_it_once) {
  constexpr uint32_t kRepeated = 0x0183f3ff, kLongMode = 1u << 29;
  constexpr uint32_t kNoSubleaf = 0xffffffff;
  const std::array<uint32_t, 6> guest = {0x80000001, kNoSubleaf, 0, 0, 0, kRepeated | kLongMode};
  const std::array<uint32_t, 6> most = {0x80000001, kNoSubleaf, 0, 0, 0, kLongMode};
  EXPECT_TRUE(missing_cpu_features(std::as_bytes(std::span(guest)), std::as_bytes(std::span(most)))
                  .empty());
  const std::array<uint32_t, 6> lesser = {0x80000001, kNoSubleaf, 0, 0, 0, 0};
  EXPECT_EQ(missing_cpu_features(std::as_bytes(std::span(guest)), std::as_bytes(std::span(lesser))),
            std::vector<std::string>{"lm"});
}

}  // namespace
}  // namespace ferry
