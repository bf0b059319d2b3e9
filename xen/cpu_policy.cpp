// The CPU features a domain was told it has.
#include "xen/cpu_policy.h"

#include <cerrno>
#include <memory>

#include "xen/xen_headers.h"

namespace ferry {

static_assert(kCpuidLeafBytes == sizeof(xen_cpuid_leaf_t));
static_assert(kMsrEntryBytes == sizeof(xen_msr_entry_t));

namespace {

template <typename T>
std::vector<std::byte> bytes_of(const std::vector<T>& entries, uint32_t count) {
  const auto* first = reinterpret_cast<const std::byte*>(entries.data());
  return {first, first + count * sizeof(T)};
}

// What fill puts into a policy.
template <typename Fill>
CpuPolicyBlobs serialised(const Hypervisor& xen, Fill fill) {
  uint32_t nr_leaves = 0, nr_msrs = 0;
  if (xc_cpu_policy_get_size(xen.xch(), &nr_leaves, &nr_msrs) != 0) fail_xen("size the CPU policy");
  std::unique_ptr<xc_cpu_policy_t, void (*)(xc_cpu_policy_t*)> policy(xc_cpu_policy_init(),
                                                                      xc_cpu_policy_destroy);
  if (!policy) fail_errno(Errc::no_memory, ENOMEM, "no memory for a CPU policy");
  std::vector<xen_cpuid_leaf_t> leaves(nr_leaves);
  std::vector<xen_msr_entry_t> msrs(nr_msrs);
  if (fill(policy.get()) != 0 || xc_cpu_policy_serialise(xen.xch(), policy.get(), leaves.data(),
                                                         &nr_leaves, msrs.data(), &nr_msrs) != 0)
    fail_xen("tell a CPU policy");
  return {bytes_of(leaves, nr_leaves), bytes_of(msrs, nr_msrs)};
}

}  // namespace

std::string refused_cpuid_leaf(uint32_t leaf, uint32_t subleaf) {
  if (subleaf == XEN_CPUID_NO_SUBLEAF)
    return fmt::format("{}: CPUID leaf {:#x}", kCannotGiveFeatures, leaf);
  return fmt::format("{}: CPUID leaf {:#x}, subleaf {:#x}", kCannotGiveFeatures, leaf, subleaf);
}

std::string refused_msr(uint32_t index) {
  return fmt::format("{}: MSR {:#x}", kCannotGiveFeatures, index);
}

std::string refused_for_number() {
  return fmt::format("{}: its Xen knows fewer CPUID leaves or MSRs", kCannotGiveFeatures);
}

CpuPolicyBlobs get_cpu_policy(const Hypervisor& xen, domid_t domid) {
  return serialised(xen, [&](xc_cpu_policy_t* policy) {
    return xc_cpu_policy_get_domain(xen.xch(), raw(domid), policy);
  });
}

CpuPolicyBlobs most_cpu_policy(const Hypervisor& xen) {
  return serialised(xen, [&](xc_cpu_policy_t* policy) {
    return xc_cpu_policy_get_system(xen.xch(), XEN_SYSCTL_cpu_policy_pv_max, policy);
  });
}

void set_cpu_policy(const Hypervisor& xen, domid_t domid, std::span<const std::byte> cpuid_leaves,
                    std::span<const std::byte> msr_bytes) {
  auto leaves = entries_of<xen_cpuid_leaf_t>(cpuid_leaves);
  auto msrs = entries_of<xen_msr_entry_t>(msr_bytes);
  uint32_t leaf = ~0u, subleaf = ~0u, msr = ~0u;
  if (xc_set_domain_cpu_policy(xen.xch(), raw(domid), static_cast<uint32_t>(leaves.size()),
                               leaves.data(), static_cast<uint32_t>(msrs.size()), msrs.data(),
                               &leaf, &subleaf, &msr) == 0)
    return;
  if (leaf != ~0u) throw Error(Errc::unsupported, refused_cpuid_leaf(leaf, subleaf));
  if (msr != ~0u) throw Error(Errc::unsupported, refused_msr(msr));
  if (errno == E2BIG) throw Error(Errc::unsupported, refused_for_number());
  fail_xen("accept the guest's CPU policy");
}

}  // namespace ferry
