// What the small records say about the guest and the rules over the pages need: read once, through
// the index, before the records go by.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "audit/layout.h"
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

struct GuestFacts {
  bool has_p2m_frames = false;
  bool has_populated = false;
  std::vector<uint64_t> leaves;        // pfn of each leaf; kNoPfn where there is no usable one
  std::vector<LeafUse> leaf_uses;      // the usable ones, by pfn
  std::optional<uint64_t> start_info;  // pfn of a data page, from vCPU 0
  std::array<XsaveComponent, 64> xsave{};
};

}  // namespace ferry::audit
