// A tree of three levels cannot describe more than 512 GiB; what lay beyond was put where something
// else was.
#include <gtest/gtest.h>

#include "tests/p2m/writing.h"

namespace ferry {
namespace {

TEST(TreeForMoreThan512Gib, refuses_what_lies_beyond) {
  TreeGuest g;
  for (uint64_t pfn : {kTreePfns, ~uint64_t{0}}) {
    EXPECT_EQ(g.p2m.get(pfn_t(pfn)), kInvalidP2mEntry);
    EXPECT_TRUE(g.p2m.try_set(pfn_t(pfn), kInvalidP2mEntry));
    EXPECT_FALSE(g.p2m.set(pfn_t(pfn), 5));
  }
}

}  // namespace
}  // namespace ferry
