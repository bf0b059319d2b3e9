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
