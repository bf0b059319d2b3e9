// Between the moment an L1 became read-only and the one it was pinned, a store to it was neither
// done nor emulated. Its lock is held over both. There are more tables here than fit in one batch,
// so locks and callbacks go round several times.
#include <gtest/gtest.h>

#include "tests/guest/address_space.h"

namespace ferry {
namespace {

TEST(L1ReadOnlyButNotPinned, is_locked_meanwhile) {
  TestGuest g;
  g.booted();
  AddressSpace space(g);
  for (uint64_t i = 0; i < 80; ++i) space.map(i << 21, true);
  g.xen.after_request = [&] {
    g.xen.verify();
    for (uint64_t pfn = 0; pfn < g.kernel.nr_pages(); ++pfn) {
      const guest_page& page = g.kernel.page(pfn_t(pfn));
      const FakeXen::Frame& frame = g.xen.frame(g.kernel.mfn(pfn));
      const bool read_only = (g.g.core.map.l1_entry(g.kernel.va_of(pfn_t(pfn))) & kPteRw) == 0;
      if (!page.xen_pinned || pfn_t(pfn) == space.pgd() ||
          pfn == g.kernel.page(space.pgd()).user_pgd)
        continue;
      if (read_only && !frame.pinned) {
        EXPECT_TRUE(g.kernel.locked().contains(pfn)) << pfn;
      }
    }
  };
  g.g.pins.pin(space.pgd());
  EXPECT_TRUE(g.kernel.at_rest());
  g.g.pins.unpin(space.pgd());
  EXPECT_TRUE(g.kernel.at_rest());
  EXPECT_EQ(g.g.core.calls.failures(), 0u);
}

}  // namespace
}  // namespace ferry
