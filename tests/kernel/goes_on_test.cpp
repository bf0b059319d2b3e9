// A guest that was saved and restored goes on as if nothing had happened: on another host, again
// and again, and just as its twin does whose suspend was cancelled.
#include <gtest/gtest.h>

#include "pipeline/seeded_executor.h"
#include "sim/machine/domains.h"
#include "tests/engine/seeds.h"
#include "tests/engine/sim_engine.h"
#include "tests/kernel/invariants.h"

namespace ferry::sim {
namespace {

std::string joined(const std::vector<std::string>& sentences) {
  std::string all;
  for (const std::string& s : sentences) all += "\n  " + s;
  return all;
}

std::unique_ptr<Host> host_for(const KernelSpec& spec, uint64_t seed) {
  return Host::create({.seed = seed,
                       .frames = spec.pages + spec.growth + 2500 + seed % 1000,
                       .shadow_paging = seed % 2 == 0});
}

void expect_sound(SimKernel& kernel) {
  EXPECT_EQ(joined(kernel.check_memory()), "");
  EXPECT_EQ(joined(broken_invariants(kernel)), "");
}

// Saved from one host and restored on another; null after a failure.
std::unique_ptr<SimKernel> carry_over(SimKernel& kernel, const KernelSpec& spec, Host& to,
                                      Executor& executor) {
  kernel.suspend();
  EXPECT_EQ(joined(broken_at_suspend(kernel)), "");
  const Saved saved = engine_save(kernel.machine().host(), kernel.domid(), executor);
  EXPECT_TRUE(saved.done()) << saved.sentence;
  const RestoreTarget target = create_target(to, spec.pages + 300, spec.vcpus);
  const Restored restored = engine_restore(to, saved.image, target, executor);
  EXPECT_TRUE(restored.done()) << restored.sentence;
  if (!saved.done() || !restored.done()) return nullptr;
  const auto domid = static_cast<DomainNumber>(restored.domid);
  unpause_domain(*to.find_domain(domid));
  return SimKernel::attach(to, domid);
}

void travel(uint64_t seed) {
  const KernelSpec spec = KernelSpec::random(seed, 900);
  auto executor = make_seeded_executor(seed, static_cast<unsigned>(1 + seed % 4));
  auto host = host_for(spec, seed);
  auto kernel = SimKernel::create(*host, spec);
  for (unsigned hop = 1; hop <= 3 && !::testing::Test::HasFailure(); ++hop) {
    kernel->run(80);
    auto next_host = host_for(spec, seed * 10 + hop);
    auto next = carry_over(*kernel, spec, *next_host, *executor);
    if (!next) return;
    EXPECT_EQ(next->checksum(), kernel->checksum());
    EXPECT_EQ(next->ticks(), kernel->ticks());

    resume_domain(*host, kernel->domid());
    for (unsigned i = 0; i < 40 && !::testing::Test::HasFailure(); ++i) {
      ASSERT_TRUE(next->step() && kernel->step());
      EXPECT_EQ(joined(broken_invariants(*next)), "") << "step " << i << " after hop " << hop;
    }
    EXPECT_EQ(next->resumes(), hop);
    EXPECT_EQ(kernel->cancels(), 1u);
    EXPECT_EQ(next->checksum(), kernel->checksum()) << "the copies do not do the same";
    expect_sound(*next);
    expect_sound(*kernel);
    kernel = std::move(next);
    host = std::move(next_host);
    // The twin stayed behind.
  }
}

TEST(Travel, a_guest_goes_on_wherever_it_is_restored) {
  for_seeds(20, [&](uint64_t seed) {
    try {
      travel(seed);
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
  });
}

}  // namespace
}  // namespace ferry::sim
