// The simulated kernel's guests keep every invariant of a PV guest, whatever they do.
#include <gtest/gtest.h>

#include "error/error.h"
#include "sim/kernel/neighbour.h"
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

class Life {
 public:
  explicit Life(uint64_t seed)
      : spec_(KernelSpec::random(seed, 700)),
        host_(host_for(spec_)),
        kernel_(SimKernel::create(*host_, spec_)),
        random_(seed) {
    const Neighbour neighbour = make_neighbour(*host_, kernel_->domid(), seed);
    kernel_->set_neighbour(neighbour.domid, neighbour.first_reference, neighbour.references);
  }

  void live(unsigned steps) {
    P2mWatch watch(*kernel_);
    kernel_->machine().set_after_hypercall([&] {
      const std::string broken = watch.after_hypercall();
      if (!broken.empty()) throw KernelCrash("at a hypercall: " + broken);
    });
    for (unsigned i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      ASSERT_TRUE(kernel_->step());
      const auto broken = broken_invariants(*kernel_);
      EXPECT_TRUE(broken.empty()) << "step " << i << joined(broken);
      EXPECT_EQ(watch.after_step(), "") << "step " << i;
      if (random_.chance(4)) suspend_in_vain(i);
    }
    const auto wrong = kernel_->check_memory();
    EXPECT_TRUE(wrong.empty()) << joined(wrong);
  }

 private:
  // Twice: what the kernel does to get ready the first time, it has done the second time.
  void suspend_in_vain(unsigned step) {
    suspend_and_cancel(step);
    const GuestTrace before(*kernel_);
    suspend_and_cancel(step);
    EXPECT_TRUE(before == GuestTrace(*kernel_))
        << "a cancelled suspend after step " << step << " has changed something";
  }

  void suspend_and_cancel(unsigned step) {
    kernel_->suspend();
    const auto broken = broken_at_suspend(*kernel_);
    EXPECT_TRUE(broken.empty()) << "suspend after step " << step << joined(broken);
    EXPECT_FALSE(kernel_->step());
    cancel(*kernel_);
    EXPECT_TRUE(kernel_->wake_up());
  }

  const KernelSpec spec_;
  const std::unique_ptr<Host> host_;
  const std::unique_ptr<SimKernel> kernel_;
  Random random_;
};

TEST(SimKernel, keeps_every_invariant_after_every_step) {
  uint64_t seeds = 0;
  for_seeds(200, [&](uint64_t seed) {
    try {
      Life(seed).live(kSteps);
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
    ++seeds;
  });
  fmt::print("{} seeds of {} steps\n", seeds, kSteps);
}

}  // namespace
}  // namespace ferry::sim
