// A granted frame that could not be recorded in the p2m was reported as mapped all the same, and
// the grant stayed mapped. Memory runs out in the p2m here.
#include <gtest/gtest.h>

#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

TEST(ForeignFrameReportedInSpiteOfAnError, is_not) {
  TestGuest t;
  t.booted();
  t.kernel.fail_allocations = true;
  EXPECT_FALSE(t.g.pages.set_foreign(pfn_t(3000), mfn_t(9)));
  EXPECT_EQ(t.g.core.p2m.get(pfn_t(3000)), kInvalidP2mEntry);
}

}  // namespace
}  // namespace ferry
