// Whether Xen would take a CPU policy, asked without a domain.
#include "xen/cpu_policy_check.h"

#include <cerrno>
#include <memory>
#include <vector>

#include "xen/cpu_policy.h"
#include "xen/xen_headers.h"

namespace ferry {
namespace {

struct Destroy {
  void operator()(xc_cpu_policy_t* policy) const { xc_cpu_policy_destroy(policy); }
};
using Policy = std::unique_ptr<xc_cpu_policy_t, Destroy>;

// What a new PV guest is shown (pv_default), or the most that one can be (pv_max).
Policy system_policy(const Hypervisor& xen, unsigned which) {
  Policy policy(xc_cpu_policy_init());
  if (!policy) fail_errno(Errc::no_memory, ENOMEM, "no memory for a CPU policy");
  if (xc_cpu_policy_get_system(xen.xch(), which, policy.get()) != 0)
    fail_xen("tell its own CPU policy");
  return policy;
}

bool lay(const Hypervisor& xen, const Policy& over, std::span<const xen_cpuid_leaf_t> leaves) {
  return xc_cpu_policy_update_cpuid(xen.xch(), over.get(), leaves.data(),
                                    static_cast<uint32_t>(leaves.size())) == 0;
}
bool lay(const Hypervisor& xen, const Policy& over, std::span<const xen_msr_entry_t> msrs) {
  return xc_cpu_policy_update_msrs(xen.xch(), over.get(), msrs.data(),
                                   static_cast<uint32_t>(msrs.size())) == 0;
}
std::string sentence(const xen_cpuid_leaf_t& leaf) {
  return refused_cpuid_leaf(leaf.leaf, leaf.subleaf);
}
std::string sentence(const xen_msr_entry_t& msr) {
  return refused_msr(msr.idx);
}

// The library names an entry in its log only. So each is tried alone, over what surely is taken.
template <typename Entry, typename IsTaken>
std::string find_refused(const Hypervisor& xen, const std::vector<Entry>& entries,
                         IsTaken is_taken) {
  for (const Entry& entry : entries) {
    const Policy policy = system_policy(xen, XEN_SYSCTL_cpu_policy_pv_max);
    if (!is_taken(policy, std::span(&entry, 1))) return sentence(entry);
  }
  return {};
}

// Lays entries over a policy: too many, or the first for which there is no place, end it.
template <typename Entry>
std::string why_not_laid(const Hypervisor& xen, const Policy& over,
                         const std::vector<Entry>& entries) {
  if (lay(xen, over, std::span(entries))) return {};
  if (errno == E2BIG) return refused_for_number();
  const std::string refused = find_refused(
      xen, entries,
      [&](const Policy& policy, std::span<const Entry> entry) { return lay(xen, policy, entry); });
  return refused.empty() ? refused_for_number() : refused;
}

}  // namespace

std::string why_cpu_policy_is_refused(const Hypervisor& xen,
                                      std::span<const std::byte> cpuid_leaves,
                                      std::span<const std::byte> msr_bytes) {
  const auto leaves = entries_of<xen_cpuid_leaf_t>(cpuid_leaves);
  const auto msrs = entries_of<xen_msr_entry_t>(msr_bytes);
  // As Xen does it: entries are laid over what the new domain has, and the whole is held against
  // the most that it can be shown.
  const Policy guest = system_policy(xen, XEN_SYSCTL_cpu_policy_pv_default);
  if (std::string refused = why_not_laid(xen, guest, leaves); !refused.empty()) return refused;
  if (std::string refused = why_not_laid(xen, guest, msrs); !refused.empty()) return refused;
  const Policy most = system_policy(xen, XEN_SYSCTL_cpu_policy_pv_max);
  const auto fits = [&](const Policy& policy) {
    return xc_cpu_policy_is_compatible(xen.xch(), most.get(), policy.get());
  };
  if (fits(guest)) return {};
  const auto fits_alone = [&](const Policy& policy, const auto& entry) {
    return lay(xen, policy, entry) && fits(policy);
  };
  std::string refused = find_refused(xen, leaves, fits_alone);
  if (refused.empty()) refused = find_refused(xen, msrs, fits_alone);
  return refused.empty() ? std::string(kCannotGiveFeatures) : refused;
}

}  // namespace ferry
