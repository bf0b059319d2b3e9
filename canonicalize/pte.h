// One page-table entry of a 64-bit PV guest, in machine form or in pfn form. Freestanding-clean.
//
//   63 62        52 51                                     12 11   9 8 7 6 5 4   3   2  1  0
//  +--+------------+----------------------------------------+-------+-+-+-+-+---+---+--+--+--+
//  |NX| avail high |  frame: mfn (machine) or pfn (pfn form) | avail |G|S|D|A|PCD|PWT|US|RW|P |
//  +--+------------+----------------------------------------+-------+-+-+-+-+---+---+--+--+--+
//                                                             S = PSE in L2 to L4, PAT in L1
//
// Only an entry with P names a frame. One without P is software's own (a swap entry, say) and has
// no form. Xen sets bit 52 on kernel pages; it is a flag like the others to whoever converts.
#pragma once

#include <stdint.h>

#include "canonicalize/pt_level.h"
#include "p2m/frames.h"

namespace ferry {

inline constexpr uint64_t kPtePresent = uint64_t{1} << 0;
inline constexpr uint64_t kPteRw = uint64_t{1} << 1;
inline constexpr uint64_t kPteUser = uint64_t{1} << 2;
inline constexpr uint64_t kPtePwt = uint64_t{1} << 3;
inline constexpr uint64_t kPtePcd = uint64_t{1} << 4;
inline constexpr uint64_t kPteAccessed = uint64_t{1} << 5;
inline constexpr uint64_t kPteDirty = uint64_t{1} << 6;
inline constexpr uint64_t kPtePse = uint64_t{1} << 7;  // L2 to L4
inline constexpr uint64_t kPtePat = uint64_t{1} << 7;  // L1
inline constexpr uint64_t kPteGlobal = uint64_t{1} << 8;
inline constexpr uint64_t kPteAvail = uint64_t{7} << 9;
inline constexpr uint64_t kPteGuestKernel = uint64_t{1} << 52;  // set by Xen in L1
inline constexpr uint64_t kPteAvailHigh = uint64_t{0x7ff} << 52;
inline constexpr uint64_t kPteNx = uint64_t{1} << 63;

inline constexpr uint64_t kPteFrameMask = uint64_t{0x000ffffffffff000};
inline constexpr uint64_t kPteFlagMask = ~kPteFrameMask;
inline constexpr uint64_t kFrameLimit = uint64_t{1} << 40;  // frame numbers that fit are below

inline constexpr unsigned kEntriesPerTable = 512;
inline constexpr unsigned kXenL4First = 256;  // 0xffff800000000000
inline constexpr unsigned kXenL4Last = 271;   // up to 0xffff87ffffffffff

// What the CPU walks: the frame field is an mfn.
enum class machine_pte : uint64_t {};
// What an image holds: the frame field is a pfn.
enum class pfn_pte : uint64_t {};

constexpr uint64_t raw(machine_pte e) {
  return static_cast<uint64_t>(e);
}
constexpr uint64_t raw(pfn_pte e) {
  return static_cast<uint64_t>(e);
}

constexpr bool present(machine_pte e) {
  return (raw(e) & kPtePresent) != 0;
}
constexpr bool present(pfn_pte e) {
  return (raw(e) & kPtePresent) != 0;
}

// True if a present entry at this level maps a large page instead of naming a table.
constexpr bool superpage(pt_level level, machine_pte e) {
  return level != PT_PTE && (raw(e) & kPtePse) != 0;
}
constexpr bool superpage(pt_level level, pfn_pte e) {
  return level != PT_PTE && (raw(e) & kPtePse) != 0;
}

// The frame a present entry names.
constexpr mfn_t frame_of(machine_pte e) {
  return mfn_t((raw(e) & kPteFrameMask) >> kPageShift);
}
constexpr pfn_t frame_of(pfn_pte e) {
  return pfn_t((raw(e) & kPteFrameMask) >> kPageShift);
}

constexpr uint64_t flags_of(machine_pte e) {
  return raw(e) & kPteFlagMask;
}
constexpr uint64_t flags_of(pfn_pte e) {
  return raw(e) & kPteFlagMask;
}

// frame below kFrameLimit; flags outside the frame field. Bits that do not belong are dropped.
constexpr machine_pte make_pte(mfn_t frame, uint64_t flags) {
  return machine_pte{((frame.raw() << kPageShift) & kPteFrameMask) | (flags & kPteFlagMask)};
}
constexpr pfn_pte make_pte(pfn_t frame, uint64_t flags) {
  return pfn_pte{((frame.raw() << kPageShift) & kPteFrameMask) | (flags & kPteFlagMask)};
}

// L4 slots in which Xen keeps its own entries: it writes them whenever a page becomes an L4.
constexpr bool xen_slot(pt_level level, unsigned index) {
  return level == PT_PGD && index >= kXenL4First && index <= kXenL4Last;
}

}  // namespace ferry
