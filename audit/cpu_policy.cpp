// The CPU policy: whole entries that Xen has a place for, and what they say of the guest's CPU.
//
//   CPUID leaf   | u32 leaf | u32 subleaf | u32 a | u32 b | u32 c | u32 d |
//   MSR          | u32 index | u32 flags: 0 | u64 value |
#include "audit/cpu_policy.h"

#include <algorithm>

namespace ferry::audit {
namespace {

struct Leaf {
  uint32_t leaf, subleaf, a, b, c, d;
};

// What struct cpu_policy of Xen 4.17 has room for.
constexpr uint32_t kNoSubleaf = 0xffffffff;
constexpr uint32_t kMostBasic = 0xd, kFirstExtended = 0x80000000, kMostExtended = 0x80000021;
constexpr uint32_t kPlatformInfo = 0xce, kArchCapabilities = 0x10a;
constexpr uint64_t kCpuidFaulting = uint64_t{1} << 31;

Leaf leaf_at(std::span<const std::byte> leaves, size_t at) {
  return {load_u32(leaves, at),      load_u32(leaves, at + 4),  load_u32(leaves, at + 8),
          load_u32(leaves, at + 12), load_u32(leaves, at + 16), load_u32(leaves, at + 20)};
}

bool has_place(const Leaf& leaf) {
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
      break;
  }
  if (leaf.subleaf != kNoSubleaf) return false;
  return leaf.leaf <= kMostBasic || leaf.leaf == 0x40000000 || leaf.leaf == 0x40000100 ||
         (leaf.leaf >= kFirstExtended && leaf.leaf <= kMostExtended);
}

void learn(const Leaf& leaf, GuestFacts& facts) {
  CpuFeatures& cpu = facts.cpu;
  const auto bit = [](uint32_t word, unsigned n) { return (word >> n & 1) != 0; };
  if (leaf.leaf == kXstateLeaf && leaf.subleaf == 0)
    cpu.xcr0 = uint64_t{leaf.d} << 32 | leaf.a;
  else if (leaf.leaf == kXstateLeaf && leaf.subleaf >= 2 && leaf.subleaf < facts.xsave.size())
    facts.xsave[leaf.subleaf] = {.offset = leaf.b, .bytes = leaf.a};
  else if (leaf.leaf == 7 && leaf.subleaf == 0) {
    cpu.tsc_aux |= bit(leaf.c, 22);  // RDPID
    cpu.spec_ctrl |= bit(leaf.d, 26);
    if (bit(leaf.d, 31)) cpu.spec_ctrl_bits |= 4;  // SSBD
  } else if (leaf.leaf == 7 && leaf.subleaf == 2) {
    if (bit(leaf.d, 0)) cpu.spec_ctrl_bits |= 0x80;   // PSFD
    if (bit(leaf.d, 1)) cpu.spec_ctrl_bits |= 0x18;   // IPRED_DIS
    if (bit(leaf.d, 2)) cpu.spec_ctrl_bits |= 0x60;   // RRSBA_DIS
    if (bit(leaf.d, 3)) cpu.spec_ctrl_bits |= 0x100;  // DDPD
    if (bit(leaf.d, 4)) cpu.spec_ctrl_bits |= 0x400;  // BHI_DIS
  } else if (leaf.leaf == 0x80000001) {
    cpu.tsc_aux |= bit(leaf.d, 27);  // RDTSCP
    cpu.address_masks = bit(leaf.c, 26);
  } else if (leaf.leaf == 0x80000008) {
    cpu.spec_ctrl |= bit(leaf.b, 14);
    if (bit(leaf.b, 24)) cpu.spec_ctrl_bits |= 4;
    if (bit(leaf.b, 28)) cpu.spec_ctrl_bits |= 0x80;
  }
}

// Leaves that announce how many there are, against those that are there.
class Announced {
 public:
  void see(const Leaf& leaf) {
    if (leaf.leaf == 0) basic_ = leaf.a;
    if (leaf.leaf == kFirstExtended) extended_ = leaf.a;
    if (leaf.leaf == 7 && leaf.subleaf == 0) features_ = leaf.a;
    if (leaf.leaf <= kMostBasic) most_basic_ = std::max(most_basic_, leaf.leaf);
    if (leaf.leaf >= kFirstExtended) most_extended_ = std::max(most_extended_, leaf.leaf);
    if (leaf.leaf == 7) most_features_ = std::max(most_features_, leaf.subleaf);
  }
  void check(const Place& place, Findings& findings) const {
    check_one(place, "Leaf 0", basic_, most_basic_, findings);
    check_one(place, "Leaf 0x80000000", extended_, most_extended_, findings);
    check_one(place, "Leaf 7", features_, most_features_, findings);
  }

 private:
  static void check_one(const Place& place, const char* who, uint32_t announced, uint32_t there,
                        Findings& findings) {
    if (announced <= there) return;
    findings.add(rule::cpu_policy_leaf, place,
                 "{} of the CPU policy announces {:#x}, but the last one there is {:#x}.", who,
                 announced, there);
  }
  uint32_t basic_ = 0, extended_ = 0, features_ = 0;
  uint32_t most_basic_ = 0, most_extended_ = kFirstExtended, most_features_ = 0;
};

void check_leaves(std::span<const std::byte> leaves, const Place& place, GuestFacts& facts,
                  Findings& findings) {
  Announced announced;
  facts.cpu.known = !leaves.empty();
  facts.cpu.spec_ctrl_bits = 3;  // IBRS and STIBP, with the feature itself
  for (size_t at = 0; at + kCpuidLeafBytes <= leaves.size(); at += kCpuidLeafBytes) {
    const Leaf leaf = leaf_at(leaves, at);
    learn(leaf, facts);
    announced.see(leaf);
    if (has_place(leaf)) continue;
    findings.add(rule::cpu_policy_leaf, place,
                 "The CPU policy has a leaf {:#x}, subleaf {:#x}, for which Xen has no place.",
                 leaf.leaf, leaf.subleaf);
  }
  announced.check(place, findings);
}

void check_policy_msrs(std::span<const std::byte> msrs, const Place& place, GuestFacts& facts,
                       Findings& findings) {
  for (size_t at = 0; at + kMsrBytes <= msrs.size(); at += kMsrBytes) {
    const uint32_t index = load_u32(msrs, at);
    const uint64_t value = load_u64(msrs, at + 8);
    if (index == kPlatformInfo) facts.cpu.cpuid_faulting = (value & kCpuidFaulting) != 0;
    const bool known =
        index == kArchCapabilities || (index == kPlatformInfo && (value & ~kCpuidFaulting) == 0);
    if (known && load_u32(msrs, at + 4) == 0) continue;
    findings.add(rule::cpu_policy_msr, place,
                 "Xen would not take MSR {:#x} of the CPU policy with flags {:#x} and value {:#x}.",
                 index, load_u32(msrs, at + 4), value);
  }
}

}  // namespace

void check_cpu_policy(const v1::CpuPolicy& policy, const Place& place, GuestFacts& facts,
                      Findings& findings) {
  const auto leaves = bytes_of(policy.cpuid_leaves()), msrs = bytes_of(policy.msrs());
  if (leaves.empty() || leaves.size() % kCpuidLeafBytes != 0) {
    findings.add(rule::cpu_policy_size, place, "The CPUID leaves have {} bytes.", leaves.size());
  }
  if (msrs.size() % kMsrBytes != 0) {
    findings.add(rule::cpu_policy_size, place, "The MSRs of the CPU policy have {} bytes.",
                 msrs.size());
  }
  check_leaves(leaves, place, facts, findings);
  check_policy_msrs(msrs, place, facts, findings);
}

}  // namespace ferry::audit
