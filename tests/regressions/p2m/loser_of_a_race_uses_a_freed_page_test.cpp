// Two CPUs allocated the same part of the p2m; the one that lost went on with the page that it had
// just freed. Another CPU does the same thing here while this one allocates, at each of its
// allocations.
#include <gtest/gtest.h>

#include "tests/p2m/writing.h"

namespace ferry {
namespace {

template <typename Guest>
class LoserOfARaceUsesAFreedPage : public testing::Test {};
TYPED_TEST_SUITE(LoserOfARaceUsesAFreedPage, P2mForms);

TYPED_TEST(LoserOfARaceUsesAFreedPage, uses_the_winners) {
  for (int at = 0; at < 3; ++at) {
    for (uint64_t other_offset : {0, 1}) {
      TypeParam g;
      g.start();
      const int64_t before = g.kernel.allocated();
      const pfn_t pfn(512 * 512 + 5), other(pfn.raw() + other_offset);
      int n = 0;
      std::function<void()> hook = [&] {
        if (n++ == at)
          EXPECT_TRUE(g.p2m.set(other, 88));
        else
          g.kernel.before_alloc = hook;
      };
      g.kernel.before_alloc = hook;
      ASSERT_TRUE(g.p2m.set(pfn, 77));
      ASSERT_EQ(n, at + 1);
      EXPECT_EQ(g.p2m.get(pfn), 77u);
      EXPECT_EQ(g.p2m.get(other), other_offset == 1 ? 88u : 77u);
      EXPECT_EQ(g.kernel.allocated() - before, 3) << "pages of the loser were not given back";
      for (bool tree_form : {false, true})
        EXPECT_EQ(tool_entry(g, tool_view(g, tree_form), pfn.raw()), 77u);
    }
  }
}

}  // namespace
}  // namespace ferry
