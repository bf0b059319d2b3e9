// The simulated kernel's guests keep every invariant of a PV guest, whatever they do.
#include <gtest/gtest.h>

#include "error/error.h"
#include "sim/kernel/peer.h"
#include "sim/machine/domains.h"
#include "tests/engine/seeds.h"
#include "tests/kernel/invariants.h"

namespace ferry::sim {
namespace {

std::string joined(const std::vector<std::string>& sentences) {
  std::string all;
  for (const std::string& s : sentences) all += "\n  " + s;
  return all;
}

std::unique_ptr<Host> host_for(const KernelSpec& spec) {
  return Host::create({.seed = spec.seed, .frames = spec.pages + spec.growth + 2048});
}

// As a toolstack that changes its mind: the answer of the suspend is 1, in the same domain.
void cancel(SimKernel& kernel) {
  Domain& d = kernel.machine().domain();
  d.vcpus[0].context.user_regs.rax = 1;
  resume_domain(d);
}

constexpr unsigned kSteps = 30;

void live(uint64_t seed, unsigned steps) {
  const KernelSpec spec = KernelSpec::random(seed, 700);
  auto host = host_for(spec);
  auto kernel = SimKernel::create(*host, spec);
  const Peer peer = make_peer(*host, kernel->domid(), seed);
  kernel->set_peer(peer.domid, peer.first_reference, peer.references);
  if (seed % 4 == 0)
    kernel->machine().set_after_hypercall([&] {
      const auto broken = broken_at_hypercall(*kernel);
      if (!broken.empty()) throw KernelCrash("at a hypercall: " + broken.front());
    });
  Random random(seed);
  for (unsigned i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
    ASSERT_TRUE(kernel->step());
    auto broken = broken_invariants(*kernel);
    EXPECT_TRUE(broken.empty()) << "step " << i << joined(broken);
    if (!random.chance(4)) continue;
    kernel->suspend();
    broken = broken_at_suspend(*kernel);
    EXPECT_TRUE(broken.empty()) << "suspend after step " << i << joined(broken);
    EXPECT_FALSE(kernel->step());
    cancel(*kernel);
  }
  const auto wrong = kernel->check_memory();
  EXPECT_TRUE(wrong.empty()) << joined(wrong);
}

TEST(SimKernel, keeps_every_invariant_after_every_step) {
  uint64_t seeds = 0;
  for_seeds(2000, [&](uint64_t seed) {
    try {
      live(seed, kSteps);
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
    ++seeds;
  });
  fmt::print("{} seeds of {} steps\n", seeds, kSteps);
}

}  // namespace
}  // namespace ferry::sim
