// When one page of an identity range got a frame, its leaf was filled beginning with that page's
// number instead of the leaf's first.
#include <gtest/gtest.h>

#include "tests/p2m/writing.h"

namespace ferry {
namespace {

template <typename Guest>
class SplitOfAnIdentityLeafShiftsNeighbours : public testing::Test {};
TYPED_TEST_SUITE(SplitOfAnIdentityLeafShiftsNeighbours, P2mForms);

TYPED_TEST(SplitOfAnIdentityLeafShiftsNeighbours, leaves_them_alone) {
  for (unsigned offset : {0u, 1u, 300u, 511u}) {
    TypeParam g;
    g.start();
    const uint64_t base = 6 * 512;
    ASSERT_TRUE(g.p2m.set_identity(pfn_t(base), pfn_t(base + 512)));
    ASSERT_TRUE(g.p2m.set(pfn_t(base + offset), 77));
    for (unsigned i = 0; i < 512; ++i)
      EXPECT_EQ(g.p2m.get(pfn_t(base + i)), i == offset ? 77 : identity_frame(pfn_t(base + i)));
  }
}

}  // namespace
}  // namespace ferry
