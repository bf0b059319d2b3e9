// The numbers and layouts of guest/abi.h are those of Xen's public headers.
#include "guest/abi.h"

#include <gtest/gtest.h>

#include <cerrno>

#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
extern "C" {
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/xen.h>
}

#include "p2m/entry.h"
#include "p2m/m2p.h"
#include "p2m/published.h"

namespace {

namespace abi = ferry::abi;

#define SAME(ours, xens) EXPECT_EQ(static_cast<uint64_t>(ours), static_cast<uint64_t>(xens))

TEST(Abi, numbers_are_xens) {
  SAME(abi::kMmuUpdate, __HYPERVISOR_mmu_update);
  SAME(abi::kMemoryOp, __HYPERVISOR_memory_op);
  SAME(abi::kMulticall, __HYPERVISOR_multicall);
  SAME(abi::kUpdateVaMapping, __HYPERVISOR_update_va_mapping);
  SAME(abi::kXenVersion, __HYPERVISOR_xen_version);
  SAME(abi::kGrantTableOp, __HYPERVISOR_grant_table_op);
  SAME(abi::kVmAssist, __HYPERVISOR_vm_assist);
  SAME(abi::kVcpuOp, __HYPERVISOR_vcpu_op);
  SAME(abi::kMmuextOp, __HYPERVISOR_mmuext_op);
  SAME(abi::kSchedOp, __HYPERVISOR_sched_op);
  SAME(abi::kEventChannelOp, __HYPERVISOR_event_channel_op);
  SAME(abi::kHvmOp, __HYPERVISOR_hvm_op);
  SAME(abi::kDomidSelf, DOMID_SELF);
  SAME(abi::kNormalPtUpdate, MMU_NORMAL_PT_UPDATE);
  SAME(abi::kMachphysUpdate, MMU_MACHPHYS_UPDATE);
  SAME(abi::kPtUpdatePreserveAd, MMU_PT_UPDATE_PRESERVE_AD);
  SAME(abi::kPinL1Table, MMUEXT_PIN_L1_TABLE);
  SAME(abi::kPinL1Table + 3, MMUEXT_PIN_L4_TABLE);
  SAME(abi::kUnpinTable, MMUEXT_UNPIN_TABLE);
  SAME(abi::kNewBaseptr, MMUEXT_NEW_BASEPTR);
  SAME(abi::kTlbFlushLocal, MMUEXT_TLB_FLUSH_LOCAL);
  SAME(abi::kInvlpgLocal, MMUEXT_INVLPG_LOCAL);
  SAME(abi::kTlbFlushAll, MMUEXT_TLB_FLUSH_ALL);
  SAME(abi::kInvlpgAll, MMUEXT_INVLPG_ALL);
  SAME(abi::kNewUserBaseptr, MMUEXT_NEW_USER_BASEPTR);
  SAME(abi::kUvmfNone, UVMF_NONE);
  SAME(abi::kUvmfTlbFlush, UVMF_TLB_FLUSH);
  SAME(abi::kUvmfInvlpg, UVMF_INVLPG);
  SAME(abi::kUvmfAll, UVMF_ALL);
  SAME(abi::kXenverGetFeatures, XENVER_get_features);
  SAME(abi::kXenfeatMmuPtUpdatePreserveAd, XENFEAT_mmu_pt_update_preserve_ad);
  SAME(abi::kXenmemDecreaseReservation, XENMEM_decrease_reservation);
  SAME(abi::kXenmemPopulatePhysmap, XENMEM_populate_physmap);
  SAME(abi::kXenmemMachphysMapping, XENMEM_machphys_mapping);
  SAME(abi::kVmasstCmdEnable, VMASST_CMD_enable);
  SAME(abi::kVmasstTypeWritablePagetables, VMASST_TYPE_writable_pagetables);
  SAME(abi::kSchedopShutdown, SCHEDOP_shutdown);
  SAME(abi::kShutdownSuspend, SHUTDOWN_suspend);
  SAME(abi::kVcpuopUp, VCPUOP_up);
  SAME(abi::kVcpuopDown, VCPUOP_down);
  SAME(abi::kVcpuopIsUp, VCPUOP_is_up);
  SAME(abi::kVcpuopRegisterRunstate, VCPUOP_register_runstate_memory_area);
  SAME(abi::kVcpuopStopPeriodicTimer, VCPUOP_stop_periodic_timer);
  SAME(abi::kVcpuopRegisterVcpuInfo, VCPUOP_register_vcpu_info);
  SAME(abi::kLegacyMaxVcpus, XEN_LEGACY_MAX_VCPUS);
  SAME(abi::kSifVirtP2m4tools, SIF_VIRT_P2M_4TOOLS);
  SAME(abi::kEvtchnopBindVirq, EVTCHNOP_bind_virq);
  SAME(abi::kEvtchnopClose, EVTCHNOP_close);
  SAME(abi::kEvtchnopBindIpi, EVTCHNOP_bind_ipi);
  SAME(abi::kEvtchnopStatus, EVTCHNOP_status);
  SAME(abi::kEvtchnstatVirq, EVTCHNSTAT_virq);
  SAME(abi::kEvtchnstatIpi, EVTCHNSTAT_ipi);
  SAME(abi::kEvtchnopUnmask, EVTCHNOP_unmask);
  SAME(abi::kGnttabopSetupTable, GNTTABOP_setup_table);
  SAME(abi::kHvmopPagetableDying, HVMOP_pagetable_dying);
  SAME(abi::kHvmopGetMemType, HVMOP_get_mem_type);
  SAME(abi::kHvmmemMmioDm, HVMMEM_mmio_dm);
  SAME(ferry::kM2pVa, __MACH2PHYS_VIRT_START);
  SAME(ferry::kM2pEntries, (__MACH2PHYS_VIRT_END - __MACH2PHYS_VIRT_START) / 8);
}

TEST(Abi, errors_are_the_usual_ones) {
  SAME(abi::kEperm, EPERM);
  SAME(abi::kEnoent, ENOENT);
  SAME(abi::kEnxio, ENXIO);
  SAME(abi::kEagain, EAGAIN);
  SAME(abi::kEnomem, ENOMEM);
  SAME(abi::kEbusy, EBUSY);
  SAME(abi::kEexist, EEXIST);
  SAME(abi::kEinval, EINVAL);
  SAME(abi::kEnosys, ENOSYS);
}

#define SAME_FIELD(ours, our_field, xens, xen_field)          \
  SAME(offsetof(ours, our_field), offsetof(xens, xen_field)); \
  SAME(sizeof(ours::our_field), sizeof(decltype(xens::xen_field)))

TEST(Abi, layouts_are_xens) {
  SAME(sizeof(abi::mmu_update), sizeof(::mmu_update));
  SAME_FIELD(abi::mmu_update, ptr, ::mmu_update, ptr);
  SAME_FIELD(abi::mmu_update, val, ::mmu_update, val);
  SAME(sizeof(abi::mmuext_op), sizeof(::mmuext_op));
  SAME_FIELD(abi::mmuext_op, cmd, ::mmuext_op, cmd);
  SAME_FIELD(abi::mmuext_op, arg1, ::mmuext_op, arg1);
  SAME_FIELD(abi::mmuext_op, arg2, ::mmuext_op, arg2);
  SAME(sizeof(abi::multicall_entry), sizeof(::multicall_entry));
  SAME_FIELD(abi::multicall_entry, op, ::multicall_entry, op);
  SAME_FIELD(abi::multicall_entry, result, ::multicall_entry, result);
  SAME_FIELD(abi::multicall_entry, args, ::multicall_entry, args);
  SAME(sizeof(abi::feature_info), sizeof(xen_feature_info));
  SAME_FIELD(abi::feature_info, submap, xen_feature_info, submap);
  SAME(sizeof(abi::memory_reservation), sizeof(xen_memory_reservation));
  SAME(offsetof(abi::memory_reservation, extent_start),
       offsetof(xen_memory_reservation, extent_start));
  SAME_FIELD(abi::memory_reservation, nr_extents, xen_memory_reservation, nr_extents);
  SAME_FIELD(abi::memory_reservation, extent_order, xen_memory_reservation, extent_order);
  SAME_FIELD(abi::memory_reservation, mem_flags, xen_memory_reservation, mem_flags);
  SAME_FIELD(abi::memory_reservation, domid, xen_memory_reservation, domid);
  SAME(sizeof(abi::machphys_mapping), sizeof(xen_machphys_mapping));
  SAME_FIELD(abi::machphys_mapping, v_start, xen_machphys_mapping, v_start);
  SAME_FIELD(abi::machphys_mapping, max_mfn, xen_machphys_mapping, max_mfn);
  SAME(sizeof(abi::register_vcpu_info), sizeof(vcpu_register_vcpu_info));
  SAME_FIELD(abi::register_vcpu_info, mfn, vcpu_register_vcpu_info, mfn);
  SAME_FIELD(abi::register_vcpu_info, offset, vcpu_register_vcpu_info, offset);
  SAME(sizeof(abi::register_runstate), sizeof(vcpu_register_runstate_memory_area));
  SAME(sizeof(abi::evtchn_bind_virq), sizeof(::evtchn_bind_virq));
  SAME_FIELD(abi::evtchn_bind_virq, vcpu, ::evtchn_bind_virq, vcpu);
  SAME_FIELD(abi::evtchn_bind_virq, port, ::evtchn_bind_virq, port);
  SAME(sizeof(abi::evtchn_bind_ipi), sizeof(::evtchn_bind_ipi));
  SAME_FIELD(abi::evtchn_bind_ipi, port, ::evtchn_bind_ipi, port);
  SAME(sizeof(abi::evtchn_status), sizeof(::evtchn_status));
  SAME_FIELD(abi::evtchn_status, dom, ::evtchn_status, dom);
  SAME_FIELD(abi::evtchn_status, port, ::evtchn_status, port);
  SAME_FIELD(abi::evtchn_status, status, ::evtchn_status, status);
  SAME_FIELD(abi::evtchn_status, vcpu, ::evtchn_status, vcpu);
  SAME(offsetof(abi::evtchn_status, virq), offsetof(::evtchn_status, u.virq));
  SAME(sizeof(abi::evtchn_port), sizeof(evtchn_close));
  SAME(sizeof(abi::evtchn_port), sizeof(evtchn_unmask));
  SAME(sizeof(abi::gnttab_setup_table), sizeof(::gnttab_setup_table));
  SAME_FIELD(abi::gnttab_setup_table, nr_frames, ::gnttab_setup_table, nr_frames);
  SAME_FIELD(abi::gnttab_setup_table, status, ::gnttab_setup_table, status);
  SAME(offsetof(abi::gnttab_setup_table, frame_list), offsetof(::gnttab_setup_table, frame_list));
  SAME(sizeof(abi::hvm_pagetable_dying), sizeof(xen_hvm_pagetable_dying));
  SAME_FIELD(abi::hvm_pagetable_dying, gpa, xen_hvm_pagetable_dying, gpa);
  SAME(sizeof(abi::hvm_get_mem_type), sizeof(xen_hvm_get_mem_type));
  SAME_FIELD(abi::hvm_get_mem_type, mem_type, xen_hvm_get_mem_type, mem_type);
  SAME_FIELD(abi::hvm_get_mem_type, pfn, xen_hvm_get_mem_type, pfn);
}

TEST(Abi, shared_pages_are_laid_out_as_xens) {
  SAME(abi::kVcpuInfoSize, sizeof(vcpu_info));
  SAME(abi::kVcpuInfoUpcallMask, offsetof(vcpu_info, evtchn_upcall_mask));
  SAME(abi::kVcpuInfoCr2, offsetof(vcpu_info, arch.cr2));
  SAME(abi::kSharedInfoEvtchnPending, offsetof(shared_info, evtchn_pending));
  SAME(abi::kSharedInfoEvtchnMask, offsetof(shared_info, evtchn_mask));
  SAME(abi::kEvtchnWords * 8, sizeof(shared_info::evtchn_mask));
  SAME(ferry::kSharedInfoMaxPfn, offsetof(shared_info, arch.max_pfn));
  SAME(ferry::kSharedInfoFrameListList, offsetof(shared_info, arch.pfn_to_mfn_frame_list_list));
  SAME(ferry::kSharedInfoP2mCr3, offsetof(shared_info, arch.p2m_cr3));
  SAME(ferry::kSharedInfoP2mVaddr, offsetof(shared_info, arch.p2m_vaddr));
  SAME(ferry::kSharedInfoP2mGeneration, offsetof(shared_info, arch.p2m_generation));
  SAME(abi::kStartInfoNrPages, offsetof(start_info, nr_pages));
  SAME(abi::kStartInfoSharedInfo, offsetof(start_info, shared_info));
  SAME(abi::kStartInfoFlags, offsetof(start_info, flags));
  SAME(abi::kStartInfoStoreMfn, offsetof(start_info, store_mfn));
  SAME(abi::kStartInfoStoreEvtchn, offsetof(start_info, store_evtchn));
  SAME(abi::kStartInfoConsoleMfn, offsetof(start_info, console.domU.mfn));
  SAME(abi::kStartInfoConsoleEvtchn, offsetof(start_info, console.domU.evtchn));
  SAME(abi::kStartInfoPtBase, offsetof(start_info, pt_base));
  SAME(abi::kStartInfoNrPtFrames, offsetof(start_info, nr_pt_frames));
  SAME(abi::kStartInfoMfnList, offsetof(start_info, mfn_list));
  SAME(abi::kStartInfoFirstP2mPfn, offsetof(start_info, first_p2m_pfn));
  SAME(abi::kStartInfoNrP2mFrames, offsetof(start_info, nr_p2m_frames));
}

}  // namespace
