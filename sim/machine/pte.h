// The bits of a page-table entry as Xen's PV rules see them.
//
//   63  62..52      51..12   11..9  8  7        6  5  4    3    2     1   0
//   NX  avail high  mfn      avail  G  PSE/PAT  D  A  PCD  PWT  USER  RW  PRESENT
#pragma once

#include <cstdint>

#include "sim/machine/layout.h"

namespace ferry::sim {

inline constexpr uint64_t kPtePresent = 1 << 0;
inline constexpr uint64_t kPteRw = 1 << 1;
inline constexpr uint64_t kPteUser = 1 << 2;
inline constexpr uint64_t kPtePwt = 1 << 3;
inline constexpr uint64_t kPtePcd = 1 << 4;
inline constexpr uint64_t kPteAccessed = 1 << 5;
inline constexpr uint64_t kPteDirty = 1 << 6;
inline constexpr uint64_t kPtePse = 1 << 7;
inline constexpr uint64_t kPteGlobal = 1 << 8;
inline constexpr uint64_t kPteAvail = uint64_t{7} << 9;
inline constexpr uint64_t kPteGuestKernel = uint64_t{1} << 52;
inline constexpr uint64_t kPteAvailHigh = uint64_t{0x7ff} << 52;
inline constexpr uint64_t kPteNx = uint64_t{1} << 63;
inline constexpr uint64_t kPteFrameMask = ((uint64_t{1} << 40) - 1) << kPageShift;

inline constexpr unsigned kFirstXenSlot = 256;
inline constexpr unsigned kLastXenSlot = 271;

constexpr mfn_t pte_mfn(uint64_t pte) {
  return mfn_t((pte & kPteFrameMask) >> kPageShift);
}
constexpr bool pte_present(uint64_t pte) {
  return pte & kPtePresent;
}
constexpr uint64_t make_pte(mfn_t mfn, uint64_t flags) {
  return mfn.raw() << kPageShift | flags;
}

// Whether a guest may own that slot of a table of that level (1..4).
constexpr bool is_guest_slot(unsigned level, unsigned slot) {
  return level != 4 || slot < kFirstXenSlot || slot > kLastXenSlot;
}

// Index into the table of that level (1..4) for a virtual address.
constexpr unsigned slot_of(uint64_t va, unsigned level) {
  return static_cast<unsigned>(va >> (kPageShift + 9 * (level - 1))) & 511;
}

constexpr bool is_canonical(uint64_t va) {
  return static_cast<int64_t>(va << 16) >> 16 == static_cast<int64_t>(va);
}

// Xen's 256 L4 slots, in which no guest, and no program of a host, has anything.
constexpr bool is_xens_address(uint64_t va) {
  return va >= 0xffff800000000000 && va < 0xffff880000000000;
}

// An address that a PV guest may own.
constexpr bool is_guest_address(uint64_t va) {
  return is_canonical(va) && !is_xens_address(va);
}

}  // namespace ferry::sim
