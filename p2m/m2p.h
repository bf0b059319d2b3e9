// From a machine frame back to the guest's own number for it. Freestanding-clean.
//
// Xen's machine-to-phys table covers the frames of everybody, and a frame of another domain has
// that domain's number there. Only the round trip tells: the p2m must name the frame at the number.
#pragma once

#include <stdint.h>

#include "p2m/entry.h"
#include "p2m/kernel_memory.h"

namespace ferry {

inline constexpr uint64_t kM2pVa = 0xffff800000000000;      // where a 64-bit guest sees it
inline constexpr uint64_t kM2pEntries = uint64_t{1} << 35;  // as much as fits there
inline constexpr uint64_t kInvalidPfn = ~uint64_t{0};

struct m2p_table {
  uint64_t va = kM2pVa;
  uint64_t entries = kM2pEntries;
};

// The guest's pfn of a frame; the same number if the p2m says that it is mapped one to one; or
// kInvalidPfn, so for each frame that is not the guest's. P2m: get(pfn_t).
template <kernel_memory Memory, typename P2m>
uint64_t mfn_to_pfn(Memory& memory, const P2m& p2m, const m2p_table& m2p, mfn_t mfn) {
  uint64_t pfn = kInvalidPfn;
  // Frames of devices may have no page of the table behind them.
  if (mfn.raw() < m2p.entries && memory.try_load(m2p.va + 8 * mfn.raw(), pfn) &&
      p2m.get(pfn_t(pfn)) == mfn.raw())
    return pfn;
  if (p2m.get(pfn_t(mfn.raw())) == identity_frame(pfn_t(mfn.raw()))) return mfn.raw();
  return kInvalidPfn;
}

}  // namespace ferry
