// Another vCPU had been told to leave an address space, but the order waited in its batch when the
// page tables were given up.
#include <gtest/gtest.h>

#include "tests/guest/address_space.h"

namespace ferry {
namespace {

TEST(VcpuLeftOnADyingAddressSpace, makes_the_queued_load_first) {
  TestGuest g;
  g.booted();
  AddressSpace space(g), next(g);
  space.map(0x1000, true);
  g.g.pins.pin(space.pgd());
  g.g.pins.pin(next.pgd());
  g.kernel.run_on(1);
  g.g.tables.write_cr3(space.pgd());
  g.kernel.run_on(2);
  g.g.tables.write_cr3(space.pgd());
  g.g.core.calls.enter_lazy(lazy_mode::cpu);
  g.g.tables.write_cr3(next.pgd());
  EXPECT_EQ(g.g.tables.read_cr3(), next.pgd());
  EXPECT_EQ(g.g.tables.current_cr3(2), space.pgd()) << "still on it, whatever it was told";
  g.kernel.run_on(0);
  space.destroy();
  EXPECT_EQ(g.g.core.calls.failures(), 0u);
  EXPECT_EQ(g.g.tables.current_cr3(1), g.g.core.init_pgd);
  EXPECT_EQ(g.g.tables.current_cr3(2), next.pgd());
  EXPECT_EQ(g.xen.cpu(2).cr3, g.kernel.mfn(next.pgd().raw()));
}

}  // namespace
}  // namespace ferry
