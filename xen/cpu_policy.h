// The CPU features a domain was told it has.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
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

// What set_cpu_policy() says to a policy that Xen does not take.
inline constexpr std::string_view kCannotGiveFeatures =
    "this host cannot give the guest the CPU features it had";
std::string refused_cpuid_leaf(uint32_t leaf, uint32_t subleaf);
std::string refused_msr(uint32_t index);
std::string refused_for_number();  // a newer Xen has more leaves and MSRs

// The entries in these bytes; half a one at the end is left out.
template <typename T>
std::vector<T> entries_of(std::span<const std::byte> bytes) {
  std::vector<T> entries(bytes.size() / sizeof(T));
  if (!entries.empty()) std::memcpy(entries.data(), bytes.data(), entries.size() * sizeof(T));
  return entries;
}

// Throws Error(unsupported), naming the CPUID leaf or MSR this host cannot give.
void set_cpu_policy(const Hypervisor& xen, domid_t domid, std::span<const std::byte> cpuid_leaves,
                    std::span<const std::byte> msrs);

}  // namespace ferry
