// Scratch PV guests: whole page-table graphs, p2m, GDTs, vCPU contexts, shared_info and start_info,
// made without a kernel and left in the state in which a toolstack finds a suspended guest.
#pragma once

#include <vector>

#include "sim/builder/guest_spec.h"
#include "sim/machine/host.h"

namespace ferry::sim {

// What the builder used a page for.
enum class Role : uint8_t {
  absent,  // no memory behind this pfn
  data,
  table,  // a page table of some level
  gdt,
  p2m_leaf,     // of the p2m
  p2m_missing,  // the leaf that all ranges without memory share
  frame_list,   // middle or top page of the tree
  start_info,
  store_ring,
  console_ring,
  vcpu_info,
};

struct ScratchGuest {
  GuestSpec spec;
  DomainNumber domid = 0;
  uint64_t p2m_entries = 0;      // published max_pfn: pages + tail
  std::vector<uint64_t> p2m;     // mfn of each pfn, ~0 without memory
  std::vector<Role> roles;       // of each pfn
  std::vector<uint8_t> levels;   // of each pfn: level of its page table, or 0
  std::vector<uint64_t> leaves;  // pfn of the page that holds each p2m leaf
  uint64_t start_info = 0, store_ring = 0, console_ring = 0;
  uint64_t kernel_l4 = 0;        // pfn
  std::vector<uint64_t> pinned;  // pfns, in the order they were pinned

  // Kernel address of a pfn in the guest's map of all its memory.
  static constexpr uint64_t kKernelMap = 0xffff880000000000;
  // Where the linear p2m list is mapped.
  static constexpr uint64_t kP2mMap = 0xffffc90000000000;
};

// Builds the guest on the host, through the host's own hypercalls: whatever breaks a rule of Xen
// throws ferry::Error. Calls made here count neither for fault plans nor for hooks.
ScratchGuest build_guest(Host& host, const GuestSpec& spec);

}  // namespace ferry::sim
