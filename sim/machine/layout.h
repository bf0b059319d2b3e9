// The shared mapping of a simulated host: plain data, no pointers, so that it can sit in a file or
// in memory, at any address, in several processes.
//
//   +----------------------+ 0
//   | HostState            |  lock, random state, counters, Domain domains[]
//   +----------------------+ frames_offset
//   | Frame frames[]       |  one per machine frame
//   +----------------------+ free_offset
//   | free bitmap          |  a bit a frame
//   +----------------------+ dirty_offset
//   | dirty bitmaps        |  kMaxTrackedPfn bits a domain slot, in host memory only when touched
//   +----------------------+ memory_offset (2 MiB aligned)
//   | machine memory       |  mfn * 4096; Xen's M2P lies inside, in frames of DOMID_XEN
//   +----------------------+
#pragma once

#include <pthread.h>

#include <cstdint>

#include "p2m/frames.h"
#include "sim/machine/xen_abi.h"

namespace ferry::sim {

using ferry::mfn_t;
using ferry::pfn_t;

inline constexpr uint64_t kHostMagic = 0x31746f486d697346;  // "FsimHot1"
inline constexpr unsigned kMaxDomains = 64;
inline constexpr unsigned kMaxVcpus = 64;
inline constexpr unsigned kMaxPorts = 1024;
inline constexpr unsigned kMaxGrantFrames = 64;
inline constexpr unsigned kMaxMaptrack = 4096;
inline constexpr uint64_t kMaxTrackedPfn = uint64_t{1} << 24;  // 64 GiB of guest a log-dirty bitmap
inline constexpr unsigned kNameBytes = 256;
inline constexpr unsigned kGdtFrames = 14;
inline constexpr unsigned kXsaveBytes = 512 + 64 + 256;  // legacy area, header, AVX
inline constexpr uint64_t kXfeatureMask = 7;             // x87, SSE, AVX
inline constexpr unsigned kMaxCpuidLeaves = 64;
inline constexpr unsigned kMaxPolicyMsrs = 2;

using DomainNumber = uint16_t;  // a domid as Xen's structures carry it
inline constexpr uint32_t kNotShutDown = ~0u;
inline constexpr DomainNumber kNoDomain = 0xffff;

// What a frame may be used as while its type count is above 0 (PGT_* of the hypervisor).
enum class PageType : uint8_t { none, l1, l2, l3, l4, seg_desc, writable };

constexpr bool is_page_table(PageType t) {
  return t >= PageType::l1 && t <= PageType::l4;
}
constexpr unsigned level_of(PageType t) {
  return static_cast<unsigned>(t);
}
constexpr PageType table_type(unsigned level) {
  return static_cast<PageType>(level);
}

struct Frame {
  uint64_t count;       // general references, the allocation's own included
  uint64_t type_count;  // references as `type`
  DomainNumber owner;   // kNoDomain: free; DOMID_XEN: the hypervisor
  PageType type;
  uint8_t validated : 1;
  uint8_t pinned : 1;
  uint8_t allocated : 1;  // the domain's own reference is still there
  uint8_t special : 1;    // Xen heap: shared_info, grant table, M2P
  uint8_t hole : 1;       // no memory behind this number
  uint8_t broken : 1;
  // Above 0: mapped by that many linear entries; below 0: holds that many linear entries.
  int32_t linear_count;
};

struct Port {
  uint8_t status;  // EVTCHNSTAT_*
  uint8_t virq;
  uint8_t pending;  // of ports of domain 0, which has no shared_info
  uint8_t masked;
  uint32_t vcpu;
  DomainNumber remote_domain;
  uint32_t remote_port;
};

struct Vcpu {
  uint8_t exists;
  uint8_t initialised;
  uint8_t down;
  uint8_t fpu_initialised;
  uint8_t kernel_mode;
  uint8_t blocked;
  uint64_t guest_table;       // mfn of the kernel L4; 0: none
  uint64_t guest_table_user;  // mfn of the user L4; 0: none
  uint64_t gdt_frames[kGdtFrames];
  uint32_t gdt_entries;
  uint64_t vcpu_info_mfn;  // 0: in shared_info
  uint32_t vcpu_info_offset;
  uint64_t xcr0, xcr0_accum;
  uint64_t msrs[7];  // order of kVcpuMsrs (vcpu_state.cpp)
  uint64_t runstate_address;
  // Registers, trap table, callbacks; cr3, cr1, GDT and FPU are kept in the fields around it.
  vcpu_guest_context_t context;
  xen_domctl_ext_vcpucontext ext;
  alignas(64) uint8_t xsave[kXsaveBytes];
};

struct CpuPolicy {
  uint32_t nr_leaves, nr_msrs;
  xen_cpuid_leaf_t leaves[kMaxCpuidLeaves];
  xen_msr_entry_t msrs[kMaxPolicyMsrs];
};

struct LogDirty {
  uint8_t enabled;
  uint8_t failed_allocation;
  uint64_t fault_count, dirty_count;  // since the last CLEAN
  uint64_t highest_marked;            // end of the touched part of the bitmap, in pfns
};

struct Maptrack {
  uint8_t used;
  uint8_t host_mapped;
  uint8_t readonly;
  uint8_t contains_pte;
  DomainNumber domain;
  uint32_t ref;
  uint64_t mfn;
  uint64_t host_address;
};

struct GrantTable {
  uint32_t frames;  // in use
  uint32_t max_frames;
  uint32_t version;
  uint64_t mfns[kMaxGrantFrames];
  uint32_t pins[kMaxGrantFrames * (4096 / 8)];  // live mappings a grant, for GTF_reading/writing
  Maptrack maptrack[kMaxMaptrack];
};

struct Domain {
  uint8_t dying;  // 1: being killed, 2: dead, waiting for its last frame
  uint8_t shutdown;
  uint32_t shutdown_code;  // kNotShutDown while it runs
  uint8_t creation_finished;
  uint8_t privileged;
  uint8_t debugging;
  DomainNumber domid;
  uint32_t pause_count;
  uint32_t max_vcpus;
  uint32_t ssidref;
  uint32_t flags;  // XEN_DOMCTL_CDF_*
  xen_domain_handle_t handle;
  char name[kNameBytes];  // what xenstore would hold; zero-terminated
  xen_arch_domainconfig arch_config;
  uint64_t tot_pages, max_pages, outstanding, special_pages;
  uint64_t shared_info_mfn;
  uint64_t vm_assist;
  uint64_t cpu_time_ns;   // that its vCPUs have had
  uint32_t suspend_port;  // of domain 0, notified at shutdown; 0: none
  uint32_t max_port;
  uint32_t tsc_mode, tsc_khz, tsc_incarnation;
  uint64_t tsc_nsec;
  uint64_t paging_pool_bytes;
  uint64_t memmap_limit_kb;
  CpuPolicy policy;
  LogDirty log_dirty;
  Port ports[kMaxPorts];
  GrantTable grants;
  Vcpu vcpus[kMaxVcpus];
};

// Frames that the M2P of that many machine frames takes: whole chunks of 2 MiB.
constexpr uint64_t m2p_frames(uint64_t max_page) {
  return (max_page + 262143) / 262144 * 512;
}

// What a fresh frame of a domain holds before anybody writes it.
enum class FreshPages : uint8_t {
  stale,  // whatever its last user left
  zero,
  poison,  // a pattern that is neither zero nor a sound page-table entry
};

enum class FrameOrder : uint8_t {
  shuffled,    // single frames come from all over the host
  contiguous,  // single frames come one after the other, as on a fresh host
};

// What a hypervisor's log says of a page table that it refused: the entry it stumbled over first,
// then those on the way up to it.
struct RefusedEntry {
  uint64_t table;  // mfn
  uint32_t level, slot;
};
struct RefusalLog {
  uint64_t refusals;  // counts the first entries
  uint32_t depth;     // of the last one
  RefusedEntry path[4];
};

struct HostState {
  uint64_t magic;
  uint64_t bytes;
  uint64_t frames_offset, free_offset, dirty_offset, memory_offset;
  pthread_mutex_t lock;  // process-shared, robust
  uint64_t seed;
  uint64_t random;  // state of the host's own generator
  uint64_t max_page;
  uint64_t free_pages;
  uint64_t claimed_pages;  // of them, promised to domains by claims
  uint64_t m2p_mfn;        // first of ceil(max_page / 512) frames, in whole 2 MiB chunks
  uint64_t scan_cursor;
  uint8_t shadow_paging;
  uint8_t linear_page_tables;
  FreshPages fresh_pages;
  FrameOrder frame_order;
  DomainNumber last_domid;
  uint32_t cpu_khz;
  uint64_t nanoseconds;  // the host's clock: advances with the calls, never by itself
  uint64_t calls;        // of the toolstack, counted for fault injection and replay
  RefusalLog refusal_log;
  DomainNumber domids[kMaxDomains];  // of the slots below, kNoDomain when free
  uint8_t slot_used[kMaxDomains];    // whether a slot has to be cleared before its next use
  Domain domains[kMaxDomains];
};

}  // namespace ferry::sim
