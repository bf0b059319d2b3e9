// vCPUs are set up one by one. After the first one all that were known had their vcpu_info placed,
// and the fault address was read directly from then on, on the others from nowhere.
#include <gtest/gtest.h>

#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

TEST(Cr2ReadDirectlyBeforeAllVcpusAreThere, waits_for_the_last) {
  TestGuest t;
  t.booted();
  pfn_t page;
  ASSERT_TRUE(t.kernel.alloc_page(page));
  for (unsigned cpu = 0; cpu < TestKernel::kMaxCpus; ++cpu) {
    t.domain.vcpus[cpu].up = cpu == 0;
    ASSERT_TRUE(t.g.cpus.add(cpu, t.kernel.va_of(page) + 64 * cpu, 0));
    EXPECT_TRUE(t.g.cpus.setup(cpu));
    EXPECT_FALSE(t.g.cpus.all_placed());
  }
  t.g.cpus.all_added();
  EXPECT_TRUE(t.g.cpus.all_placed());
}

}  // namespace
}  // namespace ferry
