// The CPU features a domain was told it has.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "xen/hypervisor.h"

namespace ferry {

struct CpuPolicyBlobs {
  std::vector<std::byte> cpuid_leaves;  // xen_cpuid_leaf_t, 24 bytes each
  std::vector<std::byte> msrs;          // xen_msr_entry_t, 16 bytes each
};

CpuPolicyBlobs get_cpu_policy(const Hypervisor& xen, domid_t domid);
// The most that this host can show a PV guest.
CpuPolicyBlobs most_cpu_policy(const Hypervisor& xen);

// Throws Error(unsupported), naming the CPUID leaf or MSR this host cannot give.
void set_cpu_policy(const Hypervisor& xen, domid_t domid, std::span<const std::byte> cpuid_leaves,
                    std::span<const std::byte> msrs);

}  // namespace ferry
