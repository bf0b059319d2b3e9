// The CPU policy of a domain: which CPUID leaves and MSRs it sees.
#include <cerrno>
#include <cstring>

#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

constexpr uint32_t kNoSubleaf = XEN_CPUID_NO_SUBLEAF;
constexpr uint32_t kMaxBasic = 0xd, kMaxExtended = 0x80000008;
constexpr uint32_t kPlatformInfo = 0xce, kArchCaps = 0x10a;
constexpr uint64_t kHostPlatformInfo = 0x80000000;  // the host can fault CPUID

// A plain x86-64 CPU with SSE4.2 and AVX; leaves that are not here are all zero.
constexpr xen_cpuid_leaf_t kLeaves[] = {
    {0x0, kNoSubleaf, kMaxBasic, 0x756e6547, 0x6c65746e, 0x49656e69},
    {0x1, kNoSubleaf, 0x000306a9, 0x00010800, 0x9fba2203, 0x0f8bfbff},
    {0x7, 0, 0, 0x00000281, 0, 0},
    {0xd, 0, 7, 0x340, 0x340, 0},
    {0xd, 1, 1, 0, 0, 0},
    {0xd, 2, 0x100, 0x240, 0, 0},
    {0x40000000, kNoSubleaf, 0, 0, 0, 0},
    {0x40000100, kNoSubleaf, 0, 0, 0, 0},
    {0x80000000, kNoSubleaf, kMaxExtended, 0, 0, 0},
    {0x80000001, kNoSubleaf, 0, 0, 0x00000001, 0x28100800},
    {0x80000007, kNoSubleaf, 0, 0, 0, 0x00000100},
    {0x80000008, kNoSubleaf, 0x00003028, 0, 0, 0},
};

bool known_leaf(uint32_t leaf) {
  return leaf <= 0x1f || leaf == 0x40000000 || leaf == 0x40000100 ||
         (leaf >= 0x80000000 && leaf <= 0x80000021);
}

}  // namespace

void set_default_policy(CpuPolicy& d) {
  d.nr_leaves = 0;
  for (const xen_cpuid_leaf_t& leaf : kLeaves) d.leaves[d.nr_leaves++] = leaf;
  d.nr_msrs = 2;
  d.msrs[0] = {kPlatformInfo, 0, 0};
  d.msrs[1] = {kArchCaps, 0, 0};
}

int get_policy(const CpuPolicy& d, xen_domctl_cpu_policy& policy) {
  if (!policy.leaves.p && !policy.msrs.p) {
    policy.nr_leaves = kMaxCpuidLeaves;
    policy.nr_msrs = kMaxPolicyMsrs;
    return 0;
  }
  if (policy.leaves.p) {
    if (policy.nr_leaves < d.nr_leaves) return -ENOBUFS;
    memcpy(policy.leaves.p, d.leaves, d.nr_leaves * sizeof d.leaves[0]);
    policy.nr_leaves = d.nr_leaves;
  }
  if (policy.msrs.p) {
    if (policy.nr_msrs < d.nr_msrs) return -ENOBUFS;
    memcpy(policy.msrs.p, d.msrs, d.nr_msrs * sizeof d.msrs[0]);
    policy.nr_msrs = d.nr_msrs;
  }
  return 0;
}

int set_policy(Domain& domain, xen_domctl_cpu_policy& policy) {
  CpuPolicy& d = domain.policy;
  policy.err_leaf = policy.err_subleaf = policy.err_msr = ~0u;
  if (domain.creation_finished) return -EEXIST;
  if (policy.nr_leaves > kMaxCpuidLeaves || policy.nr_msrs > kMaxPolicyMsrs) return -E2BIG;
  if ((policy.nr_leaves && !policy.leaves.p) || (policy.nr_msrs && !policy.msrs.p)) return -EFAULT;
  for (uint32_t i = 0; i < policy.nr_leaves; ++i) {
    const xen_cpuid_leaf_t& leaf = policy.leaves.p[i];
    const bool beyond = (leaf.leaf == 0 && leaf.a > kMaxBasic) ||
                        (leaf.leaf == 0x80000000 && leaf.a > kMaxExtended);
    if (!known_leaf(leaf.leaf) || beyond) {
      policy.err_leaf = leaf.leaf;
      policy.err_subleaf = leaf.subleaf;
      return beyond ? -EINVAL : -ERANGE;
    }
  }
  for (uint32_t i = 0; i < policy.nr_msrs; ++i) {
    const xen_msr_entry_t& msr = policy.msrs.p[i];
    const bool known = msr.idx == kPlatformInfo || msr.idx == kArchCaps;
    const bool beyond = msr.idx == kPlatformInfo && (msr.val & ~kHostPlatformInfo) != 0;
    if (msr.flags || !known || beyond) {
      policy.err_msr = msr.idx;
      return msr.flags || beyond ? -EINVAL : -ERANGE;
    }
  }
  if (policy.nr_leaves) {
    memcpy(d.leaves, policy.leaves.p, policy.nr_leaves * sizeof d.leaves[0]);
    d.nr_leaves = policy.nr_leaves;
  }
  if (policy.nr_msrs) {
    memcpy(d.msrs, policy.msrs.p, policy.nr_msrs * sizeof d.msrs[0]);
    d.nr_msrs = policy.nr_msrs;
  }
  return 0;
}

}  // namespace ferry::sim
