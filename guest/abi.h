// The part of Xen's public interface that a 64-bit PV kernel's memory and suspend code uses.
// Freestanding-clean.
//
// Written down a second time because a freestanding kernel has no Xen headers here; the test
// guest_test compares every number and every layout with them.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace ferry::abi {

// Hypercall numbers.
inline constexpr unsigned kMmuUpdate = 1;
inline constexpr unsigned kMemoryOp = 12;
inline constexpr unsigned kMulticall = 13;
inline constexpr unsigned kUpdateVaMapping = 14;
inline constexpr unsigned kXenVersion = 17;
inline constexpr unsigned kGrantTableOp = 20;
inline constexpr unsigned kVmAssist = 21;
inline constexpr unsigned kVcpuOp = 24;
inline constexpr unsigned kMmuextOp = 26;
inline constexpr unsigned kSchedOp = 29;
inline constexpr unsigned kEventChannelOp = 32;
inline constexpr unsigned kHvmOp = 34;

inline constexpr uint64_t kDomidSelf = 0x7ff0;

// Errors come back as negative numbers.
inline constexpr int64_t kEperm = 1;
inline constexpr int64_t kEnoent = 2;
inline constexpr int64_t kEnxio = 6;
inline constexpr int64_t kEagain = 11;
inline constexpr int64_t kEnomem = 12;
inline constexpr int64_t kEbusy = 16;
inline constexpr int64_t kEexist = 17;
inline constexpr int64_t kEinval = 22;
inline constexpr int64_t kEnosys = 38;

// mmu_update: ptr is the machine address of an entry, and in its low bits what to do.
struct mmu_update {
  uint64_t ptr;
  uint64_t val;
};
inline constexpr uint64_t kNormalPtUpdate = 0;
inline constexpr uint64_t kMachphysUpdate = 1;
inline constexpr uint64_t kPtUpdatePreserveAd = 2;

struct mmuext_op {
  uint32_t cmd;
  uint32_t pad;
  uint64_t arg1;  // an mfn or a linear address
  uint64_t arg2;
};
inline constexpr uint32_t kPinL1Table = 0;  // to L4: 3
inline constexpr uint32_t kUnpinTable = 4;
inline constexpr uint32_t kNewBaseptr = 5;
inline constexpr uint32_t kTlbFlushLocal = 6;
inline constexpr uint32_t kInvlpgLocal = 7;
inline constexpr uint32_t kTlbFlushAll = 10;
inline constexpr uint32_t kInvlpgAll = 11;
inline constexpr uint32_t kNewUserBaseptr = 15;

// update_va_mapping: what to flush afterwards.
inline constexpr uint64_t kUvmfNone = 0;
inline constexpr uint64_t kUvmfTlbFlush = 1;
inline constexpr uint64_t kUvmfInvlpg = 2;
inline constexpr uint64_t kUvmfAll = 4;  // on all vCPUs; otherwise on this one

struct multicall_entry {
  uint64_t op;
  uint64_t result;
  uint64_t args[6];
};

// xen_version
inline constexpr uint64_t kXenverGetFeatures = 6;
struct feature_info {
  uint32_t submap_idx;
  uint32_t submap;
};
inline constexpr unsigned kXenfeatMmuPtUpdatePreserveAd = 5;

// memory_op
inline constexpr uint64_t kXenmemDecreaseReservation = 1;
inline constexpr uint64_t kXenmemPopulatePhysmap = 6;
struct memory_reservation {
  uint64_t extent_start;  // address of nr_extents frame numbers
  uint64_t nr_extents;
  uint32_t extent_order;
  uint32_t mem_flags;
  uint16_t domid;
};
inline constexpr uint64_t kXenmemMachphysMapping = 12;
struct machphys_mapping {
  uint64_t v_start;
  uint64_t v_end;
  uint64_t max_mfn;
};

// vm_assist
inline constexpr uint64_t kVmasstCmdEnable = 0;
inline constexpr uint64_t kVmasstTypeWritablePagetables = 2;

// sched_op
inline constexpr uint64_t kSchedopShutdown = 2;
inline constexpr uint32_t kShutdownSuspend = 2;

// vcpu_op
inline constexpr uint64_t kVcpuopUp = 1;
inline constexpr uint64_t kVcpuopDown = 2;
inline constexpr uint64_t kVcpuopIsUp = 3;
inline constexpr uint64_t kVcpuopRegisterRunstate = 5;
inline constexpr uint64_t kVcpuopStopPeriodicTimer = 7;
inline constexpr uint64_t kVcpuopRegisterVcpuInfo = 10;
struct register_vcpu_info {
  uint64_t mfn;
  uint32_t offset;
  uint32_t rsvd;
};
struct register_runstate {
  uint64_t va;
};

// vcpu_info
inline constexpr uint64_t kVcpuInfoSize = 64;
inline constexpr uint64_t kVcpuInfoUpcallMask = 1;  // a byte
inline constexpr uint64_t kVcpuInfoCr2 = 0x10;

// shared_info; where the p2m fields are, p2m/published.h says.
inline constexpr unsigned kLegacyMaxVcpus = 32;  // have a vcpu_info in shared_info
inline constexpr uint64_t kSharedInfoEvtchnPending = 0x800;
inline constexpr uint64_t kSharedInfoEvtchnMask = 0xa00;
inline constexpr uint64_t kEvtchnWords = 64;  // of 64 ports

// start_info
inline constexpr uint64_t kStartInfoNrPages = 0x20;
inline constexpr uint64_t kStartInfoSharedInfo = 0x28;  // a machine address
inline constexpr uint64_t kStartInfoFlags = 0x30;       // 32 bits
inline constexpr uint64_t kStartInfoStoreMfn = 0x38;
inline constexpr uint64_t kStartInfoStoreEvtchn = 0x40;  // 32 bits
inline constexpr uint64_t kStartInfoConsoleMfn = 0x48;
inline constexpr uint64_t kStartInfoConsoleEvtchn = 0x50;  // 32 bits
inline constexpr uint64_t kStartInfoPtBase = 0x58;
inline constexpr uint64_t kStartInfoNrPtFrames = 0x60;
inline constexpr uint64_t kStartInfoMfnList = 0x68;
inline constexpr uint64_t kStartInfoFirstP2mPfn = 0x480;
inline constexpr uint64_t kStartInfoNrP2mFrames = 0x488;
inline constexpr uint32_t kSifVirtP2m4tools = 16;

// event_channel_op
inline constexpr uint64_t kEvtchnopBindVirq = 1;
inline constexpr uint64_t kEvtchnopClose = 3;
inline constexpr uint64_t kEvtchnopStatus = 5;
inline constexpr uint64_t kEvtchnopBindIpi = 7;
inline constexpr uint64_t kEvtchnopUnmask = 9;
struct evtchn_bind_virq {
  uint32_t virq;
  uint32_t vcpu;
  uint32_t port;
};
struct evtchn_bind_ipi {
  uint32_t vcpu;
  uint32_t port;
};
struct evtchn_port {
  uint32_t port;
};
struct evtchn_status {
  uint16_t dom;
  uint32_t port;
  uint32_t status;
  uint32_t vcpu;
  uint32_t virq;  // of a VIRQ; of other ports something else
  uint32_t pad;
};
inline constexpr uint32_t kEvtchnstatVirq = 4;
inline constexpr uint32_t kEvtchnstatIpi = 5;

// grant_table_op
inline constexpr uint64_t kGnttabopSetupTable = 2;
struct gnttab_setup_table {
  uint16_t dom;
  uint32_t nr_frames;
  int16_t status;
  uint64_t frame_list;  // address of nr_frames frame numbers
};

// hvm_op
inline constexpr uint64_t kHvmopPagetableDying = 9;
inline constexpr uint64_t kHvmopGetMemType = 15;
struct hvm_pagetable_dying {
  uint16_t domid;
  uint16_t pad[3];
  uint64_t gpa;
};
struct hvm_get_mem_type {
  uint16_t domid;
  uint16_t mem_type;
  uint16_t pad[2];
  uint64_t pfn;
};
inline constexpr uint16_t kHvmmemMmioDm = 2;

}  // namespace ferry::abi
