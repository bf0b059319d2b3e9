// The CPU policy of a domain: which CPUID leaves and MSRs it sees.
#include <cerrno>
#include <cstring>
#include <span>

#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

constexpr uint32_t kNoSubleaf = XEN_CPUID_NO_SUBLEAF;
constexpr uint32_t kMaxBasic = 0xd, kMaxFeatures = 0, kMaxExtended = 0x80000008;
constexpr uint32_t kPlatformInfo = 0xce, kArchCaps = 0x10a;
constexpr uint64_t kHostPlatformInfo = 0x80000000;  // the host can fault CPUID

// A plain x86-64 CPU with SSE4.2 and AVX; leaves that are not here are all zero.
constexpr xen_cpuid_leaf_t kLeaves[] = {
    {0x0, kNoSubleaf, kMaxBasic, 0x756e6547, 0x6c65746e, 0x49656e69},
    {0x1, kNoSubleaf, 0x000306a9, 0x00010800, 0x9fba2203, 0x0f8bfbff},
    {0x7, 0, kMaxFeatures, 0x00000281, 0, 0},
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

// Whether struct cpu_policy of Xen has room for it.
bool has_place(const xen_cpuid_leaf_t& leaf) {
  switch (leaf.leaf) {
    case 0x4:
      return leaf.subleaf < 6;
    case 0x7:
      return leaf.subleaf < 3;
    case 0xb:
      return leaf.subleaf < 2;
    case 0xd:
      return leaf.subleaf < 63;
    default:
      return leaf.subleaf == kNoSubleaf &&
             (leaf.leaf <= kMaxBasic || leaf.leaf == 0x40000000 || leaf.leaf == 0x40000100 ||
              (leaf.leaf >= 0x80000000 && leaf.leaf <= 0x80000021));
  }
}

// Whether it announces more leaves than the host has.
bool is_beyond(const xen_cpuid_leaf_t& leaf) {
  switch (leaf.leaf) {
    case 0:
      return leaf.a > kMaxBasic;
    case 0x7:
      return leaf.subleaf == 0 && leaf.a > kMaxFeatures;
    case 0x80000000:
      return leaf.a > kMaxExtended;
    default:
      return false;
  }
}

// First every entry needs a place, then the whole is compared with what the host can show.
int judge_policy(xen_domctl_cpu_policy& policy) {
  const auto refuse_leaf = [&](const xen_cpuid_leaf_t& leaf, int error) {
    policy.err_leaf = leaf.leaf;
    policy.err_subleaf = leaf.subleaf;
    return error;
  };
  const auto refuse_msr = [&](const xen_msr_entry_t& msr, int error) {
    policy.err_msr = msr.idx;
    return error;
  };
  const std::span leaves(policy.leaves.p, policy.nr_leaves);
  const std::span msrs(policy.msrs.p, policy.nr_msrs);
  if (leaves.size() > kMaxCpuidLeaves) return -E2BIG;
  for (const xen_cpuid_leaf_t& leaf : leaves)
    if (!has_place(leaf)) return refuse_leaf(leaf, -ERANGE);
  if (msrs.size() > kMaxPolicyMsrs) return -E2BIG;
  for (const xen_msr_entry_t& msr : msrs) {
    if (msr.flags) return refuse_msr(msr, -EINVAL);
    if (msr.idx != kPlatformInfo && msr.idx != kArchCaps) return refuse_msr(msr, -ERANGE);
    // Xen keeps one bit of it.
    if (msr.idx == kPlatformInfo && msr.val != uint32_t(msr.val))
      return refuse_msr(msr, -EOVERFLOW);
  }
  for (const uint32_t number : {0u, 7u, 0x80000000u})
    for (const xen_cpuid_leaf_t& leaf : leaves)
      if (leaf.leaf == number && is_beyond(leaf)) return refuse_leaf(leaf, -EINVAL);
  for (const xen_msr_entry_t& msr : msrs)
    if (msr.idx == kPlatformInfo && (msr.val & ~kHostPlatformInfo) != 0)
      return refuse_msr(msr, -EINVAL);
  return 0;
}

}  // namespace

void set_default_policy(CpuPolicy& d) {
  d.nr_leaves = 0;
  for (const xen_cpuid_leaf_t& leaf : kLeaves) d.leaves[d.nr_leaves++] = leaf;
  d.nr_msrs = 2;
  d.msrs[0] = {kPlatformInfo, 0, 0};
  d.msrs[1] = {kArchCaps, 0, 0};
}

void add_most_policy(CpuPolicy& d) {
  d.msrs[0].val = kHostPlatformInfo;
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
  if ((policy.nr_leaves && !policy.leaves.p) || (policy.nr_msrs && !policy.msrs.p)) return -EFAULT;
  if (const int error = judge_policy(policy); error != 0) return error;
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
