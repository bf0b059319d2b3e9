// Address spaces were found by process for a suspend, so an L4 that no process had yet was not
// pinned and travelled with machine frames in it.
#include <gtest/gtest.h>

#include "tests/guest/address_space.h"

namespace ferry {
namespace {

TEST(L4WithoutAProcessMissedByASuspend, is_pinned) {
  TestGuest g;
  g.booted();
  AddressSpace never_used(g);
  g.g.pins.pin_all();
  EXPECT_TRUE(g.xen.frame(g.kernel.mfn(never_used.pgd().raw())).pinned);
  g.g.pins.unpin_all();
  EXPECT_FALSE(g.xen.frame(g.kernel.mfn(never_used.pgd().raw())).pinned);
}

}  // namespace
}  // namespace ferry
