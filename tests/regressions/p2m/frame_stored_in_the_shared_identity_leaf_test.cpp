// A frame was stored into the leaf that all identity ranges share, and reported as stored.
#include <gtest/gtest.h>

#include "tests/p2m/writing.h"

namespace ferry {
namespace {

template <typename Guest>
class FrameStoredInTheSharedIdentityLeaf : public testing::Test {};
TYPED_TEST_SUITE(FrameStoredInTheSharedIdentityLeaf, P2mForms);

TYPED_TEST(FrameStoredInTheSharedIdentityLeaf, needs_a_leaf_of_its_own) {
  TypeParam g;
  const pfn_t far(700000), first(700000 / 512 * 512);
  ASSERT_TRUE(g.p2m.set_identity(first, first + 512));
  EXPECT_FALSE(g.p2m.try_set(far, 77));
  EXPECT_EQ(g.p2m.get(far), identity_frame(far));
  EXPECT_TRUE(g.p2m.set(far, 77));
  EXPECT_EQ(g.p2m.get(far), 77u);
  ASSERT_TRUE(g.p2m.set_identity(first + 512, first + 1024));
  EXPECT_EQ(g.p2m.get(far + 512), identity_frame(far + 512)) << "the shared leaf";
}

}  // namespace
}  // namespace ferry
