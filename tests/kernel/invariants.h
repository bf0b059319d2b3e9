// What has to be true of a PV guest at any moment, whatever its kernel did: looked up in the
// machine's own frames, page types and M2P, not in what the guest believes.
#pragma once

#include <string>
#include <vector>

#include "sim/kernel/sim_kernel.h"

namespace ferry::sim {

// Between two steps. Empty, or at most 20 sentences.
std::vector<std::string> broken_invariants(SimKernel& kernel);

// After any single hypercall, in the middle of whatever the kernel does.
std::vector<std::string> broken_at_hypercall(SimKernel& kernel);

// While the domain is shut down for a suspend: it can be saved.
std::vector<std::string> broken_at_suspend(SimKernel& kernel);

}  // namespace ferry::sim
