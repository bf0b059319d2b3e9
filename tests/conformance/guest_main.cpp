// Xen's rules for a guest that runs, asked of the simulated machine by the simulated kernel, one
// line each. Our own kernel asks real Xen the same (kernel/ask_xen.h).
#include <cstdio>

// First: it chooses the version of Xen's interface.
#include "sim/machine/xen_abi.h"

#include "kernel/every_rule.h"
#include "sim/kernel/sim_kernel.h"

namespace {

struct Lines {
  void line(const char* text) { puts(text); }
};

}  // namespace

int main() {
  using namespace ferry;
  const auto host = sim::Host::create({.seed = 1, .frames = 16384, .shadow_paging = false});
  // Domain 0 has an event channel, as it always does.
  sim::KernelSpec spec;
  spec.spare = 1;
  const auto kernel = sim::SimKernel::create(*host, spec);
  const sim::RunningGuest running(kernel->half());
  kernel->machine().run_on(0);
  Lines lines;
  const unsigned cases = ask_every_rule(kernel->half(), lines, sim::kFixmap + 0x1000, spec.vcpus);
  fprintf(stderr, "guest rules: %u cases\n", cases);
  return 0;
}
