// A guest as it looks from outside, with every machine frame number replaced by the guest's own:
// two guests on two hosts are the same guest exactly when their views are equal.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/builder/guest_builder.h"

namespace ferry::sim {

// Stands in a view for a frame that is not the guest's.
inline constexpr uint64_t kForeignPfn = (uint64_t{1} << 40) - 1;

struct PageView {
  bool present = false;
  PageType type = PageType::none;  // of a validated table; none otherwise
  bool pinned = false;
  std::vector<uint8_t> bytes;  // 4096; tables with pfns in their entries and zero in Xen's slots
};

struct VcpuView {
  bool online = false;
  bool initialised = false;
  vcpu_guest_context_t context{};  // cr3, cr1, GDT frames and vCPU 0's start_info (rdx) as pfns
  xen_domctl_ext_vcpucontext ext{};
  uint64_t xcr0 = 0, xcr0_accum = 0;
  std::vector<uint8_t> xsave;
  std::vector<uint64_t> msrs;
};

struct GuestView {
  std::map<uint64_t, PageView> pages;  // by pfn, those with memory
  std::vector<VcpuView> vcpus;
  std::vector<uint8_t> shared_info;
  uint64_t tot_pages = 0;
  uint32_t tsc_mode = 0, tsc_khz = 0;
  uint64_t tsc_nsec = 0;
  uint64_t start_info = kForeignPfn;  // pfn, from vCPU 0
};

// What the M2P and the frames' owners say, whatever the guest's own p2m claims. Throws ferry::Error
// when two frames claim the same pfn.
GuestView view_guest(Host& host, DomainNumber domid);

}  // namespace ferry::sim
