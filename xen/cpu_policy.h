// The CPU features a domain was told it has.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "xen/hypervisor.h"

namespace ferry {

inline constexpr size_t kCpuidLeafBytes = 24;  // xen_cpuid_leaf_t
inline constexpr size_t kMsrEntryBytes = 16;   // xen_msr_entry_t

struct CpuPolicyBlobs {
  std::vector<std::byte> cpuid_leaves, msrs;
};

CpuPolicyBlobs get_cpu_policy(const Hypervisor& xen, domid_t domid);
// The most that this host can show a PV guest.
CpuPolicyBlobs most_cpu_policy(const Hypervisor& xen);

// Throws Error(unsupported), naming the CPUID leaf or MSR this host cannot give.
void set_cpu_policy(const Hypervisor& xen, domid_t domid, std::span<const std::byte> cpuid_leaves,
                    std::span<const std::byte> msrs);

}  // namespace ferry
