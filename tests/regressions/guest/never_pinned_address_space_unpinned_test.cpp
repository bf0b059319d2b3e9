// An address space that ended before it ever ran, in a failed exec, was unpinned although it never
// had been pinned.
#include <gtest/gtest.h>

#include "tests/guest/address_space.h"

namespace ferry {
namespace {

TEST(NeverPinnedAddressSpaceUnpinned, is_left_alone) {
  TestGuest g;
  g.booted();
  AddressSpace space(g);
  space.map(0x1000, true);
  space.destroy();
  EXPECT_EQ(g.g.core.calls.failures(), 0u);
}

}  // namespace
}  // namespace ferry
