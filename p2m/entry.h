// One entry of the phys-to-machine map and what it can mean. Freestanding-clean.
//
//   63 62 61                                                   0
//  +--+--+------------------------------------------------------+
//  | F| I|                  machine frame number                |
//  +--+--+------------------------------------------------------+
//
//   all ones    INVALID: no frame here (never had one, or ballooned out). It has F and I set, so
//               it has to be checked first.
//   F           FOREIGN: a frame of another domain, mapped through a grant
//   I           IDENTITY: the frame of this very number, in a region that maps one to one
//   neither     a frame of the guest's own
//
// With F and I set and not all ones it counts as FOREIGN: not trusted to be anything of ours.
#pragma once

#include <stdint.h>

#include "p2m/frames.h"

namespace ferry {

inline constexpr uint64_t kInvalidP2mEntry = ~uint64_t{0};
inline constexpr uint64_t kForeignFrameBit = uint64_t{1} << 63;
inline constexpr uint64_t kIdentityFrameBit = uint64_t{1} << 62;

inline constexpr unsigned kP2mPerPage = 512;

enum class p2m_kind : uint8_t { own, invalid, foreign, identity };

constexpr p2m_kind p2m_kind_of(uint64_t entry) {
  if (entry == kInvalidP2mEntry) return p2m_kind::invalid;
  if ((entry & kForeignFrameBit) != 0) return p2m_kind::foreign;
  if ((entry & kIdentityFrameBit) != 0) return p2m_kind::identity;
  return p2m_kind::own;
}

// The machine frame behind an own, foreign or identity entry. Nothing is promised of its size: it
// has to be compared with the host's memory before it indexes anything.
constexpr mfn_t p2m_frame_of(uint64_t entry) {
  return mfn_t(entry & ~(kForeignFrameBit | kIdentityFrameBit));
}

constexpr uint64_t foreign_frame(mfn_t mfn) {
  return mfn.raw() | kForeignFrameBit;
}
constexpr uint64_t identity_frame(pfn_t pfn) {
  return pfn.raw() | kIdentityFrameBit;
}

}  // namespace ferry
