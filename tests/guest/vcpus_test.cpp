// vcpu_info: where it is, the fault address in it, and what happens when it cannot be placed.
#include "guest/vcpus.h"

#include <gtest/gtest.h>

#include "tests/guest/test_guest.h"

namespace ferry {
namespace {

struct Vcpus : testing::Test {
  Vcpus() {
    t.booted();
    EXPECT_TRUE(t.kernel.alloc_page(page));
    fill_page(t.kernel, t.kernel.va_of(page), 0);
  }
  uint64_t va(unsigned cpu) { return t.kernel.va_of(page) + 64 * cpu; }
  // As Xen does when it lets a page fault through.
  void fault(unsigned cpu, uint64_t at) { t.domain.info(cpu, abi::kVcpuInfoCr2) = at; }
  TestGuest t;
  pfn_t page;
};

TEST_F(Vcpus, cr2_is_found_before_and_after_its_vcpu_info_is_placed) {
  for (unsigned cpu = 0; cpu < 4; ++cpu) {
    t.kernel.run_on(cpu);
    fault(cpu, 0x1000 + cpu);
    EXPECT_EQ(t.g.cpus.read_cr2(), 0x1000u + cpu);
    EXPECT_THROW(static_cast<void>(t.g.cpus.read_cr2_direct()), GuestCrash);
    ASSERT_TRUE(t.g.cpus.add(cpu, va(cpu), 0));
    ASSERT_TRUE(t.g.cpus.setup(cpu));
    EXPECT_EQ(t.g.cpus.read_cr2(), 0x1000u + cpu) << "Xen copies";
    fault(cpu, 0x2000 + cpu);
    EXPECT_EQ(t.g.cpus.read_cr2(), 0x2000u + cpu);
    EXPECT_EQ(t.g.cpus.read_cr2_direct(), 0x2000u + cpu);
    EXPECT_EQ(t.kernel.load(va(cpu) + 0x10), 0x2000u + cpu);
    t.g.cpus.write_cr2(0x3000 + cpu);
    EXPECT_EQ(t.domain.info(cpu, abi::kVcpuInfoCr2), 0x3000u + cpu);
  }
}

TEST_F(Vcpus, all_are_placed_only_when_each_one_is) {
  ASSERT_TRUE(t.g.cpus.add(0, va(0), 0));
  ASSERT_TRUE(t.g.cpus.add(1, va(1), 0));
  EXPECT_TRUE(t.g.cpus.setup(0));
  EXPECT_FALSE(t.g.cpus.all_placed());
  t.domain.vcpus[1].up = false;
  t.domain.refuse_placement = true;
  EXPECT_FALSE(t.g.cpus.setup(1));
  EXPECT_FALSE(t.g.cpus.all_placed());
  t.kernel.run_on(1);
  fault(1, 0x77);
  EXPECT_EQ(t.g.cpus.read_cr2(), 0x77u) << "in shared_info, then";
  t.domain.refuse_placement = false;
  EXPECT_TRUE(t.g.cpus.setup(1));
  EXPECT_FALSE(t.g.cpus.all_placed()) << "there may be more to come";
  t.g.cpus.all_added();
  EXPECT_TRUE(t.g.cpus.all_placed());
}

}  // namespace
}  // namespace ferry
