// Every place in the guest half and its kernel from which Xen is called, made to fail once: the
// kernel stops with a sentence, or the guest goes on as sound as before.
#include <gtest/gtest.h>

#include "error/error.h"
#include "sim/kernel/neighbour.h"
#include "sim/machine/domains.h"
#include "tests/engine/call_sites.h"
#include "tests/kernel/invariants.h"

namespace ferry::sim {
namespace {

constexpr unsigned kSteps = 400;

struct Outcome {
  std::string stopped;  // the kernel's sentence
  std::vector<std::string> broken;
};

std::unique_ptr<Host> host_for(const KernelSpec& spec) {
  return Host::create({.seed = 3, .frames = spec.pages + spec.growth + 2048});
}

// It boots, works, is suspended in vain, works on.
Outcome live(Host& host, const KernelSpec& spec) {
  Outcome outcome;
  try {
    const auto kernel = SimKernel::create(host, spec);
    const Neighbour neighbour = make_neighbour(host, kernel->domid(), spec.seed);
    kernel->set_neighbour(neighbour.domid, neighbour.first_reference, neighbour.references);
    kernel->run(kSteps);
    kernel->suspend();
    Domain& d = kernel->machine().domain();
    d.vcpus[0].context.user_regs.rax = 1;
    resume_domain(d);
    kernel->run(kSteps / 4);
    outcome.broken = broken_invariants(*kernel);
    const auto wrong = kernel->check_memory();
    outcome.broken.insert(outcome.broken.end(), wrong.begin(), wrong.end());
  } catch (const KernelCrash& e) {
    outcome.stopped = e.what();
  } catch (const Error& e) {
    outcome.stopped = e.what();
  }
  return outcome;
}

class EveryHypercall : public ::testing::TestWithParam<p2m_form> {};

TEST_P(EveryHypercall, can_fail) {
  KernelSpec spec;
  spec.seed = 8;
  spec.pages = 400;
  spec.vcpus = 2;
  spec.form = GetParam();
  std::vector<uint64_t> numbers;
  {
    const auto host = host_for(spec);
    const CallSites sites(*host, CallSites::Of::guests);
    const Outcome outcome = live(*host, spec);
    ASSERT_EQ(outcome.stopped, "");
    ASSERT_TRUE(outcome.broken.empty()) << outcome.broken.front();
    numbers = sites.first_calls();
    fmt::print("{} hypercalls at {} sites of {} kinds\n", sites.calls(), sites.sites(),
               sites.kinds());
  }
  EXPECT_GT(numbers.size(), 50u);
  unsigned stopped = 0;
  for (const uint64_t number : numbers) {
    const auto host = host_for(spec);
    host->guest_faults().fail_call(number);
    const Outcome outcome = live(*host, spec);
    SCOPED_TRACE(
        fmt::format("call {} {}", number, name_of(host->guest_faults().kind_of_call(number))));
    EXPECT_EQ(host->guest_faults().failures(), 1u);
    stopped += !outcome.stopped.empty();
    EXPECT_TRUE(outcome.broken.empty()) << outcome.broken.front();
  }
  fmt::print("each failed once: {} stopped the kernel, {} were made good\n", stopped,
             numbers.size() - stopped);
}

INSTANTIATE_TEST_SUITE_P(Forms, EveryHypercall, ::testing::Values(p2m_form::tree, p2m_form::list));

}  // namespace
}  // namespace ferry::sim
