// Whether Xen would take a CPU policy, asked without a domain.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "xen/hypervisor.h"

namespace ferry {

// What set_cpu_policy() would throw if a new domain of this host was given that policy; empty: Xen
// would take it. Xen's own judgement, by its own code: it is about how many leaves there are and
// about MSRs. Features that this host lacks are no reason for it: it takes them away without a
// word. Throws Error when Xen cannot be asked.
std::string why_cpu_policy_is_refused(const Hypervisor& xen,
                                      std::span<const std::byte> cpuid_leaves,
                                      std::span<const std::byte> msrs);

}  // namespace ferry
