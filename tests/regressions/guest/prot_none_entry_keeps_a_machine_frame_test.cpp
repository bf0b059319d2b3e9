// An entry that lost its P kept the machine frame (PROT_NONE, and later NUMA hints), and nobody
// converts entries without P on the way to another host. The frame has to be in the guest's own
// numbers by then.
#include <gtest/gtest.h>

#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

TEST(ProtNoneEntryKeepsAMachineFrame, holds_a_pfn) {
  TestGuest g;
  g.booted();
  const uint64_t present = g.g.core.make_pte_value(600ull << 12 | 0x67);
  const uint64_t none = g.g.core.make_pte_value(g.g.core.pte_val(present) & ~kPtePresent);
  EXPECT_EQ(none >> 12, 600u);
}

}  // namespace
}  // namespace ferry
