// A vcpu_info was allocated wherever there was room, sometimes across two pages, and Xen refused it
// on some boots.
#include <gtest/gtest.h>

#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

TEST(VcpuInfoAcrossTwoPages, is_refused_before_xen_sees_it) {
  TestGuest t;
  t.booted();
  pfn_t page;
  ASSERT_TRUE(t.kernel.alloc_page(page));
  for (uint64_t offset : {8, 32, 4096 - 32, 4096 - 8})
    EXPECT_FALSE(t.g.cpus.add(0, t.kernel.va_of(page) + offset, 0)) << offset;
  EXPECT_TRUE(t.g.cpus.add(0, t.kernel.va_of(page) + 4096 - 64, 0));
  EXPECT_TRUE(t.g.cpus.setup(0));
  EXPECT_FALSE(t.g.cpus.add(TestKernel::kMaxCpus, t.kernel.va_of(page), 0));
}

}  // namespace
}  // namespace ferry
