// Would Xen take what a vCPU's record says beside its page tables?
//
//   XSAVE    | u64 xcr0 | u64 xcr0_accum | 512 legacy | u64 xstate_bv | u64 xcomp_bv | 48 | … |
//   MSR      | u32 index | u32 reserved: 0 | u64 value |
//   extended | u32 vcpu | u32 size | u64 syscall32 | u64 sysenter | 8 | u64 vmce.caps | … |
#include "audit/vcpu_state.h"

#include <algorithm>

namespace ferry::audit {
namespace {

struct Address {
  size_t at;
  const char* name;
};
constexpr Address kAddresses[] = {
    {kVcpuRipAt, "rip"},
    {kVcpuRspAt, "rsp"},
    {kVcpuKernelSpAt, "kernel_sp"},
    {kVcpuFsBaseAt, "fs_base"},
    {kVcpuGsBaseKernelAt, "gs_base_kernel"},
    {kVcpuGsBaseUserAt, "gs_base_user"},
    {kVcpuEventCallbackAt, "event_callback_eip"},
    {kVcpuFailsafeCallbackAt, "failsafe_callback_eip"},
    {kVcpuSyscallCallbackAt, "syscall_callback_eip"},
};

// The bits of xcr0, and which of them go together.
constexpr uint64_t kX87 = 1, kSse = 2, kYmm = 4, kBounds = 0x18, kAvx512 = 0xe0;

bool consistent_xcr0(uint64_t xcr0) {
  if ((xcr0 & kX87) == 0) return false;
  if ((xcr0 & kYmm) != 0 && (xcr0 & kSse) == 0) return false;
  if ((xcr0 & kAvx512) != 0 && ((xcr0 & kYmm) == 0 || (~xcr0 & kAvx512) != 0)) return false;
  return (xcr0 & kBounds) == 0 || (~xcr0 & kBounds) == 0;
}

// Where the architecture itself puts a component that the policy does not describe.
XsaveComponent component_of(const GuestFacts& facts, size_t i) {
  if (facts.xsave[i].bytes == 0 && (uint64_t{1} << i) == kYmm) return {.offset = 576, .bytes = 256};
  return facts.xsave[i];
}

// The size that these features need with both masks; nothing if a component is not described.
std::optional<uint64_t> xsave_bytes(const GuestFacts& facts, uint64_t features) {
  if (features == 0) return kXsaveHeaderBytes;
  uint64_t need = kXsaveLegacyBytes;
  for (size_t i = 2; i < facts.xsave.size(); ++i) {
    if ((features >> i & 1) == 0) continue;
    const XsaveComponent component = component_of(facts, i);
    if (component.bytes == 0) return std::nullopt;
    need = std::max(need, uint64_t{component.offset} + component.bytes);
  }
  return need + kXsaveHeaderBytes;
}

constexpr uint32_t kSpecCtrl = 0x48, kMiscFeatures = 0x140, kTscAux = 0xc0000103;
constexpr uint32_t kAddressMasks[] = {0xc0011027, 0xc0011019, 0xc001101a, 0xc001101b};

// What is wrong with a value, or nothing. Without a policy only what no CPU takes is refused.
std::string fault_of_msr(uint32_t index, uint64_t value, const CpuFeatures& cpu) {
  const auto lacks = [&](bool feature) { return cpu.known && !feature; };
  switch (index) {
    case kSpecCtrl:
      if (lacks(cpu.spec_ctrl)) return "the guest's CPU does not have it";
      if ((value & ~(cpu.known ? cpu.spec_ctrl_bits : uint64_t{0x5ff})) != 0)
        return "the guest's CPU does not have all of its bits";
      return {};
    case kMiscFeatures:
      if ((value & ~uint64_t{1}) != 0 || (value != 0 && lacks(cpu.cpuid_faulting)))
        return "the guest's CPU does not have all of its bits";
      return {};
    case kTscAux:
      if (lacks(cpu.tsc_aux)) return "the guest's CPU does not have it";
      break;
    default:
      if (std::find(std::begin(kAddressMasks), std::end(kAddressMasks), index) ==
          std::end(kAddressMasks))
        return "it is none that Xen saves";
      if (lacks(cpu.address_masks)) return "the guest's CPU does not have it";
  }
  return value > 0xffffffff ? "it has 32 bits" : std::string();
}

}  // namespace

void check_registers(std::span<const std::byte> context, const Place& place, Findings& findings) {
  const auto check = [&](std::string_view name, uint64_t address) {
    if (is_canonical(address)) return;
    findings.add(rule::address, place, "{} of vCPU {} is {:#x}, which is no address of this CPU.",
                 name, *place.vcpu, address);
  };
  for (const Address& of : kAddresses) check(of.name, load_u64(context, of.at));
  for (size_t i = 0; i < kTraps; ++i)
    check(fmt::format("The handler of trap {}", i),
          load_u64(context, kVcpuTrapsAt + i * kTrapBytes + kTrapAddressAt));
  const uint64_t assists = load_u64(context, kVcpuVmAssistAt) & ~kKnownVmAssists;
  if (assists != 0) {
    findings.add(rule::vm_assist, place, "vm_assist of vCPU {} has unknown bits ({:#x}).",
                 *place.vcpu, assists);
  }
}

bool check_ldt(std::span<const std::byte> context, const Place& place, Findings& findings) {
  const uint64_t base = load_u64(context, kVcpuLdtBaseAt);
  const uint64_t entries = load_u64(context, kVcpuLdtEntriesAt);
  if (base % kPageSize == 0 && entries <= kMaxLdtEntries && is_guest_address(base)) return true;
  findings.add(rule::ldt, place, "The LDT of vCPU {} cannot have {} entries at {:#x}.", *place.vcpu,
               entries, base);
  return false;
}

void check_extended(const v1::Vcpu& vcpu, const Place& place, Findings& findings) {
  const auto state = bytes_of(vcpu.extended());
  if (state.empty()) return;
  if (state.size() < kExtendedLeastBytes || state.size() > kExtendedMostBytes ||
      load_u32(state, kExtendedSizeAt) != state.size() ||
      load_u32(state, kExtendedVcpuAt) != vcpu.id()) {
    findings.add(rule::extended, place,
                 "The extended state of vCPU {} has {} bytes and does not fit what it says "
                 "of itself.",
                 vcpu.id(), state.size());
    return;
  }
  for (const Address& of : {Address{kExtendedSyscall32At, "syscall32_callback_eip"},
                            Address{kExtendedSysenterAt, "sysenter_callback_eip"}}) {
    const uint64_t address = load_u64(state, of.at);
    if (is_canonical(address)) continue;
    findings.add(rule::address, place, "{} of vCPU {} is {:#x}, which is no address of this CPU.",
                 of.name, vcpu.id(), address);
  }
  if (state.size() < kExtendedVmceCapsAt + sizeof(uint64_t)) return;
  // MCG_CAP: number of banks, CTL_P, TES_P, SER_P, LMCE_P.
  constexpr uint64_t kKnown = 0xff | 1u << 8 | 1u << 11 | 1u << 24 | 1u << 27;
  if (const uint64_t caps = load_u64(state, kExtendedVmceCapsAt); (caps & ~kKnown) != 0) {
    findings.add(rule::machine_checks, place,
                 "The machine-check capabilities of vCPU {} have unknown bits ({:#x}).", vcpu.id(),
                 caps & ~kKnown);
  }
}

void check_xsave(const v1::Vcpu& vcpu, const Place& place, const GuestFacts& facts,
                 Findings& findings) {
  const auto state = bytes_of(vcpu.xsave());
  if (state.empty()) return;
  const auto refuse = [&](const Rule& rule, std::string_view what) {
    findings.add(rule, place, "The XSAVE state of vCPU {} has {} bytes{}.", vcpu.id(), state.size(),
                 what);
  };
  if (state.size() < kXsaveHeaderBytes) return refuse(rule::xsave, ", too few for its masks");
  const uint64_t active = load_u64(state, 0), ever = load_u64(state, 8);
  if ((active & ~ever) != 0)
    return refuse(
        rule::xsave_features,
        fmt::format("; xcr0 {:#x} has features that xcr0_accum {:#x} has not", active, ever));
  if (ever != 0 && (!consistent_xcr0(active) || !consistent_xcr0(ever)))
    return refuse(rule::xsave_features,
                  fmt::format("; no CPU has xcr0 {:#x} and xcr0_accum {:#x}", active, ever));
  if (facts.cpu.known && (ever & ~facts.cpu.xcr0) != 0)
    return refuse(
        rule::xsave_features,
        fmt::format("; xcr0_accum {:#x} has features that the guest's CPU has not", ever));
  const std::optional<uint64_t> need = xsave_bytes(facts, ever);
  if (need ? state.size() != *need : state.size() < kXsaveHeaderBytes + kXsaveLegacyBytes)
    return refuse(rule::xsave, need ? fmt::format(", but the features {:#x} need {}", ever, *need)
                                    : std::string(", too few for any features"));
  if (ever == 0) return;
  const uint64_t present = load_u64(state, kXsaveXstateBvAt);
  const uint64_t compacted = load_u64(state, kXsaveXcompBvAt);
  if ((present & ~ever) != 0 || compacted != 0)
    refuse(rule::xsave_features,
           fmt::format("; its header has {:#x} and {:#x}, which features {:#x} do not allow",
                       present, compacted, ever));
}

void check_msrs(const v1::Vcpu& vcpu, const Place& place, const CpuFeatures& cpu,
                Findings& findings) {
  const auto msrs = bytes_of(vcpu.msrs());
  if (msrs.size() % kMsrBytes != 0 || msrs.size() / kMsrBytes > kMostVcpuMsrs) {
    findings.add(rule::vcpu_msrs, place, "The MSRs of vCPU {} have {} bytes.", vcpu.id(),
                 msrs.size());
    return;
  }
  for (size_t at = 0; at < msrs.size(); at += kMsrBytes) {
    const uint32_t index = load_u32(msrs, at), reserved = load_u32(msrs, at + 4);
    const std::string fault = reserved != 0 ? "its reserved bits are not 0"
                                            : fault_of_msr(index, load_u64(msrs, at + 8), cpu);
    if (fault.empty()) continue;
    findings.add(rule::msr_value, place, "Xen would not load MSR {:#x} of vCPU {}: {}.", index,
                 vcpu.id(), fault);
  }
}

}  // namespace ferry::audit
