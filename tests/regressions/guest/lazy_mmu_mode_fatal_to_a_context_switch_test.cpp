// A task was switched away from in lazy MMU mode, as happens when it is preempted there: entering
// one lazy mode within another was a bug check.
#include <gtest/gtest.h>

#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

TEST(LazyMmuModeFatalToAContextSwitch, is_left_and_entered_again) {
  TestGuest t;
  t.booted();
  auto& calls = t.g.core.calls;
  calls.enter_lazy(lazy_mode::mmu);
  t.g.tables.flush_tlb();
  EXPECT_TRUE(calls.waiting());
  const bool gone_in_lazy_mmu = calls.start_switch();
  EXPECT_TRUE(gone_in_lazy_mmu);
  EXPECT_FALSE(calls.waiting()) << "of the task that goes";
  EXPECT_EQ(calls.lazy(), lazy_mode::cpu);
  calls.end_switch(false);
  EXPECT_EQ(calls.lazy(), lazy_mode::none) << "of a task that was in none";
  EXPECT_FALSE(calls.start_switch());
  calls.end_switch(gone_in_lazy_mmu);
  EXPECT_EQ(calls.lazy(), lazy_mode::mmu);
  calls.leave_lazy(lazy_mode::mmu);
}

}  // namespace
}  // namespace ferry
