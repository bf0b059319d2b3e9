// A resume clears start_info's flags. Whoever looked at them again went over to the other form of
// the p2m, and needed memory for it with interrupts off.
#include <gtest/gtest.h>

#include "tests/guest/running.h"

namespace ferry {
namespace {

TEST(StartInfoFlagsReadAgainAfterAResume, the_form_stays_that_of_the_boot) {
  Running r(3, p2m_form::list, false);
  for (int n = 0; n < 2; ++n) {
    EXPECT_EQ(r.suspend(AtSuspend::new_domain), suspend_result::resumed);
    EXPECT_EQ(r.t.kernel.memory(r.t.kernel.start_info().raw())[abi::kStartInfoFlags / 8], 0u);
    const published_p2m arch = published_p2m_of(r.t.domain.shared_info().data());
    EXPECT_EQ(arch.frame_list_list, ~uint64_t{0});
    EXPECT_EQ(arch.p2m_cr3, r.t.kernel.mfn(r.t.g.core.init_pgd.raw()) << 12);
  }
}

TEST(StartInfoFlagsReadAgainAfterAResume, a_resume_needs_no_memory) {
  for (p2m_form form : {p2m_form::tree, p2m_form::list}) {
    Running r(3, form);
    ASSERT_TRUE(r.t.g.core.p2m.set(pfn_t(3000), kInvalidP2mEntry - 1));
    ASSERT_TRUE(r.t.g.core.p2m.set(pfn_t(3000), kInvalidP2mEntry));
    r.t.kernel.fail_allocations = true;
    EXPECT_EQ(r.suspend(AtSuspend::new_domain), suspend_result::resumed);
    r.check_after();
  }
}

}  // namespace
}  // namespace ferry
