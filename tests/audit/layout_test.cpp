// The numbers in audit/layout.h are those of Xen's own headers.
#include "audit/layout.h"

#include <gtest/gtest.h>

#include <cstddef>

#if __has_include(<xen/xen.h>)

#define __XEN_TOOLS__ 1
extern "C" {
#include <xen/domctl.h>
#include <xen/vcpu.h>
#include <xen/xen.h>
}

namespace ferry::audit {
namespace {

TEST(Layout, of_a_vcpu_context_is_xens) {
  EXPECT_EQ(kVcpuContextBytes, sizeof(vcpu_guest_context_t));
  EXPECT_EQ(kVcpuFlagsAt, offsetof(vcpu_guest_context_t, flags));
  EXPECT_EQ(kVcpuRdxAt, offsetof(vcpu_guest_context_t, user_regs.rdx));
  EXPECT_EQ(kVcpuRipAt, offsetof(vcpu_guest_context_t, user_regs.rip));
  EXPECT_EQ(kVcpuRspAt, offsetof(vcpu_guest_context_t, user_regs.rsp));
  EXPECT_EQ(kVcpuTrapsAt, offsetof(vcpu_guest_context_t, trap_ctxt));
  EXPECT_EQ(kTraps, std::size(vcpu_guest_context_t{}.trap_ctxt));
  EXPECT_EQ(kTrapBytes, sizeof(trap_info_t));
  EXPECT_EQ(kTrapAddressAt, offsetof(trap_info_t, address));
  EXPECT_EQ(kVcpuLdtBaseAt, offsetof(vcpu_guest_context_t, ldt_base));
  EXPECT_EQ(kVcpuLdtEntriesAt, offsetof(vcpu_guest_context_t, ldt_ents));
  EXPECT_EQ(kVcpuKernelSpAt, offsetof(vcpu_guest_context_t, kernel_sp));
  EXPECT_EQ(kVcpuEventCallbackAt, offsetof(vcpu_guest_context_t, event_callback_eip));
  EXPECT_EQ(kVcpuFailsafeCallbackAt, offsetof(vcpu_guest_context_t, failsafe_callback_eip));
  EXPECT_EQ(kVcpuSyscallCallbackAt, offsetof(vcpu_guest_context_t, syscall_callback_eip));
  EXPECT_EQ(kVcpuVmAssistAt, offsetof(vcpu_guest_context_t, vm_assist));
  EXPECT_EQ(kVcpuFsBaseAt, offsetof(vcpu_guest_context_t, fs_base));
  EXPECT_EQ(kVcpuGsBaseKernelAt, offsetof(vcpu_guest_context_t, gs_base_kernel));
  EXPECT_EQ(kVcpuGsBaseUserAt, offsetof(vcpu_guest_context_t, gs_base_user));
  EXPECT_EQ(kVcpuGdtFramesAt, offsetof(vcpu_guest_context_t, gdt_frames));
  EXPECT_EQ(kVcpuGdtEntriesAt, offsetof(vcpu_guest_context_t, gdt_ents));
  EXPECT_EQ(kVcpuUserCr3At, offsetof(vcpu_guest_context_t, ctrlreg[1]));
  EXPECT_EQ(kVcpuCr3At, offsetof(vcpu_guest_context_t, ctrlreg[3]));
  EXPECT_EQ(kMaxGdtFrames, std::size(vcpu_guest_context_t{}.gdt_frames));
  EXPECT_EQ(kVcpuInKernel, uint64_t{VGCF_in_kernel});
  EXPECT_EQ(kMaxGdtEntries, uint64_t{FIRST_RESERVED_GDT_ENTRY});
}

TEST(Layout, of_extended_state_msrs_and_cpuid_is_xens) {
  EXPECT_EQ(kExtendedVcpuAt, offsetof(xen_domctl_ext_vcpucontext, vcpu));
  EXPECT_EQ(kExtendedSizeAt, offsetof(xen_domctl_ext_vcpucontext, size));
  EXPECT_EQ(kExtendedSyscall32At, offsetof(xen_domctl_ext_vcpucontext, syscall32_callback_eip));
  EXPECT_EQ(kExtendedSysenterAt, offsetof(xen_domctl_ext_vcpucontext, sysenter_callback_eip));
  EXPECT_EQ(kExtendedVmceCapsAt, offsetof(xen_domctl_ext_vcpucontext, vmce.caps));
  EXPECT_LE(sizeof(xen_domctl_ext_vcpucontext), kExtendedMostBytes);
  EXPECT_GE(sizeof(xen_domctl_ext_vcpucontext), kExtendedLeastBytes);
  EXPECT_EQ(kMsrBytes, sizeof(xen_msr_entry_t));
  EXPECT_EQ(kMsrBytes, sizeof(xen_domctl_vcpu_msr_t));
  EXPECT_EQ(kCpuidLeafBytes, sizeof(xen_cpuid_leaf_t));
}

TEST(Layout, of_shared_info_and_start_info_is_xens) {
  EXPECT_EQ(kSharedMaxPfnAt, offsetof(shared_info_t, arch.max_pfn));
  EXPECT_EQ(kSharedFrameListListAt, offsetof(shared_info_t, arch.pfn_to_mfn_frame_list_list));
  EXPECT_EQ(kSharedP2mCr3At, offsetof(shared_info_t, arch.p2m_cr3));
  EXPECT_EQ(kSharedP2mVaddrAt, offsetof(shared_info_t, arch.p2m_vaddr));
  EXPECT_LE(sizeof(shared_info_t), kSharedInfoBytes);
  EXPECT_EQ(kStartSharedInfoAt, offsetof(start_info_t, shared_info));
  EXPECT_EQ(kStartStorePfnAt, offsetof(start_info_t, store_mfn));
  EXPECT_EQ(kStartConsolePfnAt, offsetof(start_info_t, console.domU.mfn));
}

}  // namespace
}  // namespace ferry::audit

#endif
