// A page added at the very end of the p2m was above the published max_pfn, and the save lost it.
#include <gtest/gtest.h>

#include "tests/p2m/writing.h"

namespace ferry {
namespace {

template <typename Guest>
class MaxPfnOneTooSmall : public testing::Test {};
TYPED_TEST_SUITE(MaxPfnOneTooSmall, P2mForms);

TYPED_TEST(MaxPfnOneTooSmall, covers_the_last_page) {
  for (uint64_t pfn : {kPages, kPages + 1, uint64_t{1535}, uint64_t{1536}, uint64_t{2047}}) {
    TypeParam g;
    g.start();
    ASSERT_TRUE(g.p2m.set(pfn_t(pfn), 77));
    const published_p2m arch = published_p2m_of(g.kernel.page(0).data());
    EXPECT_GT(arch.max_pfn, pfn);
    EXPECT_EQ(tool_entry(g, tool_view(g, false), pfn), 77u);
  }
}

}  // namespace
}  // namespace ferry
