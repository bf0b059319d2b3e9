// Where Xen's 64-bit structures keep what the rules look at: numbers, because audit sees no header
// of Xen. A test holds them against the real headers where those are installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace ferry::audit {

// struct vcpu_guest_context (xen/arch-x86/xen.h), x86_64 form.
inline constexpr size_t kVcpuContextBytes = 5168;
inline constexpr size_t kVcpuFlagsAt = 512;
inline constexpr size_t kVcpuRdxAt = 616;  // user_regs.rdx
inline constexpr size_t kVcpuRipAt = 648;
inline constexpr size_t kVcpuRspAt = 672;
inline constexpr size_t kVcpuTrapsAt = 720;  // trap_ctxt[256]
inline constexpr size_t kTraps = 256;
inline constexpr size_t kTrapBytes = 16;
inline constexpr size_t kTrapAddressAt = 8;
inline constexpr size_t kVcpuLdtBaseAt = 4816;
inline constexpr size_t kVcpuLdtEntriesAt = 4824;
inline constexpr size_t kVcpuGdtFramesAt = 4832;
inline constexpr size_t kVcpuGdtEntriesAt = 4960;
inline constexpr size_t kVcpuKernelSpAt = 4976;
inline constexpr size_t kVcpuControlRegsAt = 4984;  // ctrlreg[8]
inline constexpr size_t kVcpuUserCr3At = kVcpuControlRegsAt + 1 * 8;
inline constexpr size_t kVcpuCr3At = kVcpuControlRegsAt + 3 * 8;
inline constexpr size_t kVcpuEventCallbackAt = 5112;
inline constexpr size_t kVcpuFailsafeCallbackAt = 5120;
inline constexpr size_t kVcpuSyscallCallbackAt = 5128;
inline constexpr size_t kVcpuVmAssistAt = 5136;
inline constexpr size_t kVcpuFsBaseAt = 5144;
inline constexpr size_t kVcpuGsBaseKernelAt = 5152;
inline constexpr size_t kVcpuGsBaseUserAt = 5160;
inline constexpr uint64_t kVcpuInKernel = 1u << 2;  // VGCF_in_kernel
// VMASST_TYPE_*: 0 to 5, and m2p_strict.
inline constexpr uint64_t kKnownVmAssists = 0x3f | uint64_t{1} << 32;
inline constexpr uint64_t kMaxVcpus = 8192;  // of a PV guest
inline constexpr uint64_t kMaxLdtEntries = 8192;
inline constexpr uint32_t kFlatKernelCs = 0xe033;  // the 64-bit code segment that Xen lends

// FIRST_RESERVED_GDT_ENTRY: entries above it are Xen's.
inline constexpr uint64_t kMaxGdtEntries = 7168;
inline constexpr uint64_t kGdtEntriesPerPage = 512;
inline constexpr uint64_t kMaxGdtFrames = 16;  // room in the context

// struct xen_domctl_ext_vcpucontext (xen/domctl.h): { u32 vcpu; u32 size; … }, grown over time.
inline constexpr size_t kExtendedVcpuAt = 0;
inline constexpr size_t kExtendedSizeAt = 4;
inline constexpr size_t kExtendedSyscall32At = 8;  // syscall32_callback_eip
inline constexpr size_t kExtendedSysenterAt = 16;  // sysenter_callback_eip
inline constexpr size_t kExtendedVmceCapsAt = 32;  // vmce.caps
inline constexpr size_t kExtendedLeastBytes = 32;
inline constexpr size_t kExtendedMostBytes = 128;

// struct xen_domctl_vcpu_msr, struct xen_msr_entry, struct xen_cpuid_leaf.
inline constexpr size_t kMsrBytes = 16;
inline constexpr size_t kMostVcpuMsrs = 7;     // that Xen saves and takes
inline constexpr size_t kCpuidLeafBytes = 24;  // { u32 leaf, subleaf, a, b, c, d; }
inline constexpr uint32_t kXstateLeaf = 0xd;   // subleaf n: a = bytes, b = offset of component n

// XEN_DOMCTL_getvcpuextstate: u64 xcr0, u64 xcr0_accum, then the XSAVE area, which starts with
// 512 bytes of legacy state and a header of 64.
inline constexpr size_t kXsaveHeaderBytes = 16;
inline constexpr size_t kXsaveLegacyBytes = 576;
inline constexpr size_t kXsaveXstateBvAt = kXsaveHeaderBytes + 512;
inline constexpr size_t kXsaveXcompBvAt = kXsaveHeaderBytes + 520;

// struct shared_info, x86_64 form.
inline constexpr size_t kSharedInfoBytes = 4096;  // the whole page travels
inline constexpr size_t kSharedMaxPfnAt = 3088;
inline constexpr size_t kSharedFrameListListAt = 3096;
inline constexpr size_t kSharedP2mCr3At = 3112;
inline constexpr size_t kSharedP2mVaddrAt = 3120;

// struct start_info, x86_64 form.
inline constexpr size_t kStartSharedInfoAt = 40;  // a machine address
inline constexpr size_t kStartStorePfnAt = 56;    // store_mfn
inline constexpr size_t kStartConsolePfnAt = 72;  // console.domU.mfn

// Entries of page tables (x86) and of the p2m. Xen's slots of an L4 are 256 to 271.
inline constexpr unsigned kEntriesPerTable = 512;
inline constexpr unsigned kFirstXenSlot = 256;
inline constexpr unsigned kLastXenSlot = 271;
inline constexpr uint64_t kPtePresent = 1u << 0;
inline constexpr uint64_t kPteWritable = 1u << 1;
inline constexpr uint64_t kPteWriteThrough = 1u << 3;
inline constexpr uint64_t kPteCacheDisable = 1u << 4;
inline constexpr uint64_t kPteLargeOrPat = 1u << 7;  // PSE in L2 to L4, PAT in L1
inline constexpr uint64_t kPteGlobal = 1u << 8;
inline constexpr uint64_t kPteFrameMask = 0x000f'ffff'ffff'f000;

// A virtual address that the CPU takes, and one that a PV guest may own (Xen's are left out).
constexpr bool is_canonical(uint64_t address) {
  const int64_t sign = static_cast<int64_t>(address) >> 47;
  return sign == 0 || sign == -1;
}
constexpr bool is_guest_address(uint64_t address) {
  return address < uint64_t{1} << 47 || address >= 0xffff'8800'0000'0000;
}

constexpr uint64_t frame_of_entry(uint64_t entry) {
  return (entry & kPteFrameMask) >> 12;
}

// Reads a little-endian number; the caller knows that it lies inside bytes.
inline uint64_t load_u64(std::span<const std::byte> bytes, size_t at) {
  uint64_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
inline uint32_t load_u32(std::span<const std::byte> bytes, size_t at) {
  uint32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
inline std::span<const std::byte> bytes_of(const std::string& bytes) {
  return std::as_bytes(std::span(bytes));
}

}  // namespace ferry::audit
