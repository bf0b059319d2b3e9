// The CPU policy: whole entries, and what it says of the XSAVE area.
//
//   CPUID leaf   | u32 leaf | u32 subleaf | u32 a | u32 b | u32 c | u32 d |
//   MSR          | u32 index | u32 flags | u64 value |
#include "audit/cpu_policy.h"

namespace ferry::audit {

void check_cpu_policy(const v1::CpuPolicy& policy, const Place& place, GuestFacts& facts,
                      Findings& findings) {
  const auto leaves = bytes_of(policy.cpuid_leaves());
  if (leaves.empty() || leaves.size() % kCpuidLeafBytes != 0) {
    findings.add(rule::cpu_policy_size, place, "The CPUID leaves have {} bytes.", leaves.size());
  }
  if (policy.msrs().size() % kMsrBytes != 0) {
    findings.add(rule::cpu_policy_size, place, "The MSRs of the CPU policy have {} bytes.",
                 policy.msrs().size());
  }
  for (size_t at = 0; at + kCpuidLeafBytes <= leaves.size(); at += kCpuidLeafBytes) {
    const uint32_t subleaf = load_u32(leaves, at + 4);
    if (load_u32(leaves, at) != kXstateLeaf || subleaf < 2 || subleaf >= facts.xsave.size())
      continue;
    facts.xsave[subleaf] = {.offset = load_u32(leaves, at + 12), .bytes = load_u32(leaves, at + 8)};
  }
}

}  // namespace ferry::audit
