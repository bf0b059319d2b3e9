// What the small records say about the guest and the rules over the pages need: read once, through
// the index, before the records go by.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "audit/layout.h"
#include "pfn_map/pfn_map.h"
#include "proto/image_file.h"

namespace ferry::audit {

inline constexpr uint64_t kNoPfn = ~uint64_t{0};

// One use of a page as p2m leaf: leaf i describes pfns 512 * i to 512 * i + 511.
struct LeafUse {
  uint64_t pfn;
  uint64_t leaf;
};

// A component of the XSAVE area as leaf 0xd of the CPU policy has it; 0 bytes if it does not.
struct XsaveComponent {
  uint32_t offset = 0;
  uint32_t bytes = 0;
};

// What the CPU policy says of the guest's CPU, as far as a vCPU's state depends on it.
struct CpuFeatures {
  bool known = false;  // there is a policy
  uint64_t xcr0 = 0;   // all that xcr0 may have
  bool spec_ctrl = false;
  uint64_t spec_ctrl_bits = 0;  // that SPEC_CTRL may have
  bool tsc_aux = false;
  bool address_masks = false;  // AMD's, of breakpoints
  bool cpuid_faulting = false;
};

// Where a vCPU's page tables and descriptor tables begin; what is wrong in itself is left out.
struct VcpuRoots {
  uint32_t id = 0;
  std::vector<uint64_t> gdt = {};  // pfns
  std::optional<uint64_t> cr3 = {}, user_cr3 = {};
  uint64_t ldt_base = 0, ldt_entries = 0;
};

struct GuestFacts {
  bool has_p2m_frames = false;
  bool has_populated = false;
  PfnMap<uint64_t> leaves{0, kNoPfn};  // by leaf, its pfn; kNoPfn where there is no usable one
  std::vector<LeafUse> leaf_uses;      // the usable ones, by pfn
  std::optional<uint64_t> start_info;  // pfn of a data page, from vCPU 0
  std::array<XsaveComponent, 64> xsave{};
  CpuFeatures cpu;
  std::vector<VcpuRoots> vcpus;  // each once, by id
};

}  // namespace ferry::audit
