// Holds what `ferry check GUEST HOST` says of a guest's CPU against Xen itself: made-up policies
// are judged, and each is given to a new domain.
//
//   ferry_policies_on_xen [SEED [POLICIES]]     for dom0, or a simulated host
//
// A policy begins as one that Xen has shown a domain, so that its features go together as those of
// a real guest do; then it gets what another host may have had. Ferry and Xen have to agree on
// whether Xen takes it and over which leaf or MSR it stumbles, and on the features that the domain
// has lost when it is taken. Prints a line for each disagreement, and counts at the end.
#include <fmt/format.h>

#include <random>

#include "migrate/cpu_features.h"
#include "tests/audit/host_here.h"
#include "xen/cpu_policy.h"
#include "xen/cpu_policy_check.h"
#include "xen/xen_headers.h"

namespace ferry::test {
namespace {

#ifdef FERRY_ON_SIM
constexpr bool kTakesFeaturesAway = false;  // the simulated machine shows what it is told to
#else
constexpr bool kTakesFeaturesAway = true;
#endif

constexpr uint32_t kNoSubleaf = XEN_CPUID_NO_SUBLEAF, kPlatformInfo = 0xce, kArchCaps = 0x10a;

// Registers of features.
struct Word {
  uint32_t leaf, subleaf;
  uint32_t xen_cpuid_leaf_t::*in;
};
constexpr Word kWords[] = {
    {0x1, kNoSubleaf, &xen_cpuid_leaf_t::c},
    {0x1, kNoSubleaf, &xen_cpuid_leaf_t::d},
    {0x7, 0, &xen_cpuid_leaf_t::b},
    {0x7, 0, &xen_cpuid_leaf_t::c},
    {0x7, 0, &xen_cpuid_leaf_t::d},
    {0x7, 1, &xen_cpuid_leaf_t::a},
    {0x7, 1, &xen_cpuid_leaf_t::d},
    {0x7, 2, &xen_cpuid_leaf_t::d},
    {0xd, 1, &xen_cpuid_leaf_t::a},
    {0x80000001, kNoSubleaf, &xen_cpuid_leaf_t::c},
    {0x80000001, kNoSubleaf, &xen_cpuid_leaf_t::d},
    {0x80000008, kNoSubleaf, &xen_cpuid_leaf_t::b},
    {0x80000021, kNoSubleaf, &xen_cpuid_leaf_t::a},
    {0x80000021, kNoSubleaf, &xen_cpuid_leaf_t::c},
};

struct Policy {
  std::vector<xen_cpuid_leaf_t> leaves;
  std::vector<xen_msr_entry_t> msrs;

  explicit Policy(const CpuPolicyBlobs& blobs)
      : leaves(entries_of<xen_cpuid_leaf_t>(blobs.cpuid_leaves)),
        msrs(entries_of<xen_msr_entry_t>(blobs.msrs)) {}

  xen_cpuid_leaf_t& at(uint32_t leaf, uint32_t subleaf = kNoSubleaf) {
    for (xen_cpuid_leaf_t& l : leaves)
      if (l.leaf == leaf && l.subleaf == subleaf) return l;
    return leaves.emplace_back(xen_cpuid_leaf_t{leaf, subleaf, 0, 0, 0, 0});
  }
  uint32_t& word(const Word& word) { return at(word.leaf, word.subleaf).*word.in; }
  xen_msr_entry_t& msr(uint32_t index) {
    for (xen_msr_entry_t& m : msrs)
      if (m.idx == index) return m;
    return msrs.emplace_back(xen_msr_entry_t{index, 0, 0});
  }
  std::span<const std::byte> leaf_bytes() const { return std::as_bytes(std::span(leaves)); }
  std::span<const std::byte> msr_bytes() const { return std::as_bytes(std::span(msrs)); }
};

// A domain that has nothing and never runs; destroyed with the object.
class Domain {
 public:
  explicit Domain(const Hypervisor& xen) : xen_(xen) {
    xen_domctl_createdomain config{};
    config.max_vcpus = 1;
    config.max_evtchn_port = 1023;
    config.max_grant_frames = 4;
    config.grant_opts = 1;
    if (xc_domain_create(xen.xch(), &domid_, &config) != 0) fail_xen("create a domain");
  }
  ~Domain() { xc_domain_destroy(xen_.xch(), domid_); }
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;

  // What Xen said against it.
  std::string set(const Policy& policy) {
    try {
      set_cpu_policy(xen_, id(), policy.leaf_bytes(), policy.msr_bytes());
      return {};
    } catch (const Error& e) {
      return e.what();
    }
  }
  Policy get() const { return Policy(get_cpu_policy(xen_, id())); }

 private:
  domid_t id() const { return domid_t{static_cast<uint16_t>(domid_)}; }
  const Hypervisor& xen_;
  uint32_t domid_ = 0;
};

class MakingUp {
 public:
  MakingUp(const Hypervisor& xen, uint64_t seed)
      : xen_(xen), most_(most_cpu_policy(xen)), random_(seed) {}

  Policy policy() {
    Policy made = shown();
    for (uint32_t left = below(3); left-- > 0;) (this->*kChanges[below(std::size(kChanges))])(made);
    return made;
  }

 private:
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  uint32_t bit() { return 1u << below(32); }
  const Word& any_word() { return kWords[below(std::size(kWords))]; }

  // A policy that Xen shows a domain here: with less than usual, or with more, as far as it can.
  Policy shown() {
    Domain domain(xen_);
    Policy policy = domain.get();
    for (uint32_t left = below(6); left-- > 0;) policy.word(any_word()) &= ~bit();
    for (uint32_t left = below(6); left-- > 0;) {
      const Word& word = any_word();
      policy.word(word) |= bit() & most_.word(word);
    }
    if (below(4) == 0) policy.at(0).a -= std::min(policy.at(0).a, below(8));
    if (below(4) == 0) policy.at(0x80000000).a = 0x80000000 + below(9);
    if (below(4) == 0) policy.at(7, 0).a = 0;
    const std::string refused = domain.set(policy);
    if (!refused.empty()) fail(Errc::internal, "not even this was taken: {}", refused);
    return domain.get();
  }

  // What another host may have had, and what none has.
  void feature(Policy& p) {
    const Word& word = any_word();
    p.word(word) |= bit() & ~most_.word(word);
  }
  void basic_leaves(Policy& p) { p.at(0).a = most_.at(0).a + below(4); }
  void feature_leaves(Policy& p) { p.at(7, 0).a = most_.at(7, 0).a + below(4); }
  void extended_leaves(Policy& p) { p.at(0x80000000).a = most_.at(0x80000000).a + below(4); }
  void platform_info(Policy& p) { p.msr(kPlatformInfo).val ^= uint64_t{1} << (31 - below(3)); }
  void arch_caps(Policy& p) { p.msr(kArchCaps).val ^= uint64_t{1} << below(64); }
  void no_such_leaf(Policy& p) {
    constexpr uint32_t kSome[] = {0xe, 0x20, 0x20000000, 0x40000005, 0x80000025, 0xc0000000};
    p.at(kSome[below(std::size(kSome))]).a = 1;
  }
  void no_such_subleaf(Policy& p) {
    constexpr std::pair<uint32_t, uint32_t> kSome[] = {{4, 9}, {7, 5}, {0xb, 7}, {0xd, 63}, {1, 0}};
    const auto [leaf, subleaf] = kSome[below(std::size(kSome))];
    p.at(leaf, subleaf).a = 1;
  }
  void no_such_msr(Policy& p) { p.msr(0x1a0 + static_cast<uint32_t>(below(4))).val = 1; }
  void msr_flags(Policy& p) { p.msr(kArchCaps).flags = 1; }

  static constexpr void (MakingUp::*kChanges[])(Policy&) = {
      &MakingUp::feature,         &MakingUp::feature,        &MakingUp::feature,
      &MakingUp::basic_leaves,    &MakingUp::feature_leaves, &MakingUp::extended_leaves,
      &MakingUp::platform_info,   &MakingUp::arch_caps,      &MakingUp::no_such_leaf,
      &MakingUp::no_such_subleaf, &MakingUp::no_such_msr,    &MakingUp::msr_flags};

  const Hypervisor& xen_;
  Policy most_;
  std::mt19937_64 random_;
};

std::string said(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, " "));
}

struct Tally {
  unsigned taken = 0, lessened = 0, refused = 0, disagreements = 0;

  void disagree(unsigned number, const std::string& ferry, const std::string& xen) {
    ++disagreements;
    fmt::print("policy {}:\n  ferry: {}\n  Xen:   {}\n", number, ferry, xen);
  }
};

void try_one(const Hypervisor& xen, const Policy& made, unsigned number, Tally& tally) {
  const std::string expected = why_cpu_policy_is_refused(xen, made.leaf_bytes(), made.msr_bytes());
  Domain domain(xen);
  const std::string refused = domain.set(made);
  ++(refused.empty() ? tally.taken : tally.refused);
  if (expected != refused) return tally.disagree(number, expected, refused);
  if (!refused.empty() || !kTakesFeaturesAway) return;
  const auto missing = missing_cpu_features(made.leaf_bytes(), most_cpu_policy(xen).cpuid_leaves);
  const auto lost = missing_cpu_features(made.leaf_bytes(), domain.get().leaf_bytes());
  tally.lessened += !lost.empty();
  if (missing != lost) tally.disagree(number, said(missing), said(lost));
}

int run(uint64_t seed, unsigned policies) {
  const HostHere here(0);
  const Hypervisor xen;
  MakingUp making_up(xen, seed);
  Tally tally;
  for (unsigned n = 0; n < policies; ++n) try_one(xen, making_up.policy(), n, tally);
  fmt::print(
      "{} policies of seed {}: {} taken, {} of them without all of their features; {} refused; {} "
      "disagreements\n",
      policies, seed, tally.taken, tally.lessened, tally.refused, tally.disagreements);
  const bool enough = tally.taken >= policies / 4 && tally.refused >= policies / 4 &&
                      (!kTakesFeaturesAway || tally.lessened >= policies / 20);
  return tally.disagreements == 0 && enough ? 0 : 1;
}

}  // namespace
}  // namespace ferry::test

int main(int argc, char** argv) {
  try {
    const auto number = [&](int at, unsigned otherwise) {
      return argc > at ? static_cast<unsigned>(std::stoul(argv[at])) : otherwise;
    };
    return ferry::test::run(number(1, 1), number(2, 200));
  } catch (const std::exception& error) {
    fmt::print(stderr, "ferry_policies_on_xen: {}\n", error.what());
    return 2;
  }
}
