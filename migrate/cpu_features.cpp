// What a guest's CPU has and another host's has not.
#include "migrate/cpu_features.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace ferry {
namespace {

struct Leaf {
  uint32_t leaf, subleaf;
  std::array<uint32_t, 4> registers;  // eax, ebx, ecx, edx
};
constexpr size_t kLeafBytes = 24;
static_assert(sizeof(Leaf) == kLeafBytes);

constexpr const char* kRegisters[] = {"eax", "ebx", "ecx", "edx"};

// A register whose bits are features, and those of its bits that are not: they say what the kernel
// has switched on, or how CPUs are numbered or can be spoken to (x2apic, cmp), which Xen's most
// does not have and a PV guest does not use, or again what leaf 1 says, which only AMD's CPUs do
// and Xen's own policies may not.
struct FeatureWord {
  uint32_t leaf, subleaf;
  unsigned in;
  uint32_t not_features;
  std::string_view names;  // of bits 0, 1, …, with blanks between them; "-": none known here
};

constexpr uint32_t kNoSubleaf = 0xffffffff;
constexpr FeatureWord kWords[] = {
    {0x1, kNoSubleaf, 2, 1u << 21 | 1u << 27 | 1u << 31,
     "sse3 pclmulqdq dtes64 monitor ds-cpl vmx smx est tm2 ssse3 cntx-id - fma cx16 xtpr pdcm - "
     "pcid dca sse4.1 sse4.2 x2apic movbe popcnt tsc-deadline aes xsave - avx f16c rdrand"},
    {0x1, kNoSubleaf, 3, 1u << 28,
     "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 psn clflush - ds "
     "acpi mmx fxsr sse sse2 ss - tm ia64 pbe"},
    {0x7, 0, 1, 0,
     "fsgsbase tsc-adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm pqm - mpx pqe avx512f "
     "avx512dq rdseed adx smap avx512ifma - clflushopt clwb - avx512pf avx512er avx512cd sha "
     "avx512bw avx512vl"},
    {0x7, 0, 2, 1u << 4,
     "- avx512vbmi umip pku - waitpkg avx512vbmi2 cet-ss gfni vaes vpclmulqdq avx512vnni "
     "avx512bitalg - avx512vpopcntdq - - - - - - - rdpid - - cldemote - movdiri movdir64b enqcmd"},
    {0x7, 0, 3, 0,
     "- - avx512-4vnniw avx512-4fmaps fsrm - - - avx512vp2intersect srbds-ctrl md-clear - - - "
     "serialize hybrid - - - - cet-ibt - - avx512fp16 - - ibrsb stibp l1d-flush arch-caps - ssbd"},
    {0x7, 1, 0, 0, "- - - - avx-vnni avx512-bf16 - - - - fzrm fsrs fsrcs"},
    {0x7, 1, 1, 0, {}},
    {0x7, 1, 2, 0, {}},
    {0x7, 1, 3, 0, "- - - - avx-vnni-int8 avx-ne-convert - - - - avx-vnni-int16 - - - prefetchi"},
    {0x7, 2, 3, 0, "intel-psfd ipred-ctrl rrsba-ctrl ddp-ctrl bhi-ctrl mcdt-no"},
    {0xd, 0, 0, 0,
     "xstate-x87 xstate-sse xstate-avx xstate-bndregs xstate-bndcsr xstate-opmask xstate-zmm-hi256 "
     "xstate-hi16-zmm - xstate-pkru"},
    {0xd, 0, 3, 0, "- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - xstate-lwp"},
    {0xd, 1, 0, 0, "xsaveopt xsavec xgetbv1 xsaves"},
    {0x80000001, kNoSubleaf, 2, 1u << 1,
     "lahf-lm cmp svm ext-apic cr8-legacy lzcnt sse4a misalignsse 3dnow-prefetch osvw ibs xop "
     "skinit wdt - lwp fma4 tce - nodeid - tbm topoext - - - - - - monitorx"},
    {0x80000001, kNoSubleaf, 3, 0x0183f3ff,
     "- - - - - - - - - - - syscall - - - - - - - mp nx - mmx+ - - ffxsr page1gb rdtscp - lm "
     "3dnow+ 3dnow"},
    {0x80000007, kNoSubleaf, 3, 0, "- - - - - - - - itsc"},
    {0x80000008, kNoSubleaf, 1, 0,
     "clzero - rstr-fp-err-ptrs - - - - - - wbnoinvd - - ibpb - ibrs amd-stibp"},
    {0x80000021, kNoSubleaf, 0, 0, {}},
    {0x80000021, kNoSubleaf, 2, 0, "- tsa-sq-no tsa-l1-no"},
};

std::map<std::pair<uint32_t, uint32_t>, Leaf> leaves_in(std::span<const std::byte> bytes) {
  std::map<std::pair<uint32_t, uint32_t>, Leaf> leaves;
  for (; bytes.size() >= kLeafBytes; bytes = bytes.subspan(kLeafBytes)) {
    Leaf leaf;
    std::memcpy(&leaf, bytes.data(), sizeof leaf);
    leaves[{leaf.leaf, leaf.subleaf}] = leaf;
  }
  return leaves;
}

std::string name_of(const FeatureWord& word, unsigned bit) {
  std::string_view rest = word.names;
  for (unsigned n = 0; !rest.empty(); ++n) {
    const std::string_view name = rest.substr(0, rest.find(' '));
    if (n == bit && name != "-") return std::string(name);
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
  }
  const std::string subleaf =
      word.subleaf == kNoSubleaf ? "" : fmt::format(" subleaf {:#x}", word.subleaf);
  return fmt::format("CPUID leaf {:#x}{} {} bit {}", word.leaf, subleaf, kRegisters[word.in], bit);
}

}  // namespace

std::vector<std::string> missing_cpu_features(std::span<const std::byte> guest,
                                              std::span<const std::byte> host) {
  const auto had = leaves_in(guest), offered = leaves_in(host);
  const auto features = [](const auto& leaves, const FeatureWord& word) {
    const auto found = leaves.find({word.leaf, word.subleaf});
    return found == leaves.end() ? 0 : found->second.registers[word.in] & ~word.not_features;
  };
  std::vector<std::string> missing;
  for (const FeatureWord& word : kWords)
    for (uint32_t bits = features(had, word) & ~features(offered, word); bits != 0;
         bits &= bits - 1)
      missing.push_back(name_of(word, static_cast<unsigned>(__builtin_ctz(bits))));
  return missing;
}

std::string cpu_vendor(std::span<const std::byte> leaves) {
  const auto found = leaves_in(leaves);
  const auto first = found.find({0, kNoSubleaf});
  if (first == found.end()) return {};
  const auto& registers = first->second.registers;
  const std::array<uint32_t, 3> letters = {registers[1], registers[3], registers[2]};
  return {reinterpret_cast<const char*>(letters.data()), sizeof letters};
}

}  // namespace ferry
