// Any entry that was not zero counted as present: swap entries were converted as if they named
// frames.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

TEST(EntryWithoutPTakenForPresent, stays_as_it_is) {
  TestGuest g;
  g.booted();
  EXPECT_TRUE(rc::check([&] {
    const uint64_t value = *rc::gen::arbitrary<uint64_t>() << 1;
    RC_ASSERT(g.g.core.make_pte_value(value) == value);
    RC_ASSERT(g.g.core.pte_val(value) == value);
  }));
}

}  // namespace
}  // namespace ferry
