// A guest of a simulated host whose save was cancelled, or kept it, would not suspend for the next
// one before it had done a step: its kernel believed that it was suspended still.
#include <gtest/gtest.h>

#include "sim/kernel/sim_kernel.h"
#include "sim/machine/domains.h"
#include "sim_toolstack/kernel_guests.h"

namespace ferry::sim {
namespace {

TEST(GuestSuspendedAgainBeforeItRan, suspends) {
  const auto host = Host::create({.seed = 1, .frames = 4096});
  KernelSpec spec;
  spec.pages = 400;
  const DomainNumber domid = SimKernel::create(*host, spec)->domid();
  Domain& domain = *host->find_domain(domid);
  const GuestHooks hooks = kernel_guests(*host);
  for (unsigned times = 0; times < 3; ++times) {
    hooks.asked_to_suspend(domid_t{domid});
    EXPECT_TRUE(domain.shutdown);
    domain.vcpus[0].context.user_regs.rax = 1;
    resume_domain(domain);
  }
  const auto kernel = SimKernel::attach(*host, domid);
  kernel->run(5);
  EXPECT_EQ(kernel->ticks(), 5u);
  EXPECT_EQ(kernel->cancels(), 3u);
  EXPECT_TRUE(kernel->check_memory().empty());
}

}  // namespace
}  // namespace ferry::sim
