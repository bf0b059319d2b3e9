// The builder's list of frames ends within a page, and what follows there was taken for entries:
// frame numbers that are nobody's.
#include <gtest/gtest.h>

#include "tests/p2m/writing.h"

namespace ferry {
namespace {

template <typename Guest>
class GarbageBehindTheLastEntry : public testing::Test {};
TYPED_TEST_SUITE(GarbageBehindTheLastEntry, P2mForms);

TYPED_TEST(GarbageBehindTheLastEntry, is_not_read) {
  TypeParam g;
  for (uint64_t pfn = kPages; pfn < 2048; ++pfn) EXPECT_EQ(g.p2m.get(pfn_t(pfn)), kInvalidP2mEntry);
}

}  // namespace
}  // namespace ferry
