// The mask for the offset in a page was that of the page: machine addresses of entries were those
// of their table's first.
#include <gtest/gtest.h>

#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

TEST(PageInsteadOfItsOffset, keeps_the_offset) {
  for (p2m_form form : {p2m_form::tree, p2m_form::list}) {
    TestGuest g(1, form);
    g.booted();
    for (uint64_t offset : {0, 8, 0x7f8, 0xff8}) {
      EXPECT_EQ(g.g.core.machine_address_of(g.kernel.va_of(pfn_t(600)) + offset),
                g.kernel.mfn(600) << 12 | offset);
    }
    g.g.tables.set_pte_mfn(kFixmap + 0x5000, mfn_t(g.kernel.mfn(601)), kPtePresent);
    EXPECT_EQ(g.g.core.machine_address_of(kFixmap + 0x5ab8), g.kernel.mfn(601) << 12 | 0xab8);
    EXPECT_THROW(static_cast<void>(g.g.core.machine_address_of(kFixmap + 0x6000)), GuestCrash);
  }
}

}  // namespace
}  // namespace ferry
