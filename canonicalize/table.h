// A whole page-table page of a 64-bit PV guest, to pfn form and back. Freestanding-clean.
//
// Which frames are the guest's is the caller's knowledge and comes in as a policy:
//   bool pfn_of(mfn_t, pfn_t&) const   true only for a frame of the guest. For a page read from a
//                                      running host that takes the whole round trip: mfn in range,
//                                      m2p[mfn] in range, p2m[m2p[mfn]] == mfn.
//   bool mfn_of(pfn_t, mfn_t&) const   true only if the guest has a frame there. It is asked about
//                                      any pfn that fits in an entry, so it has to check its
//                                      bounds.
//
// in and out may be the same array; after a fault the entries of out from index on are not written.
// Each entry is read once, so a page that somebody else is writing gives a torn page at worst.
#pragma once

#include <stdint.h>

#include "canonicalize/entry_result.h"
#include "canonicalize/pte.h"

namespace ferry {

using table_page = uint64_t[kEntriesPerTable];

namespace detail {

inline uint64_t read_once(const uint64_t& entry) {
  return __atomic_load_n(&entry, __ATOMIC_RELAXED);
}

}  // namespace detail

// Machine form to pfn form. Slots of Xen become 0, an entry without P stays as it is, every flag is
// kept (bits 52 to 63 too). Refused: a frame that is not the guest's, a superpage.
template <typename Frames>
entry_result canonicalize_table(pt_level level, const table_page& in, table_page& out,
                                const Frames& frames) {
  for (unsigned i = 0; i < kEntriesPerTable; ++i) {
    const machine_pte e{detail::read_once(in[i])};
    if (xen_slot(level, i)) {
      out[i] = 0;
      continue;
    }
    if (!present(e)) {
      out[i] = raw(e);
      continue;
    }
    if (superpage(level, e)) return {entry_fault::superpage, i, raw(e)};
    pfn_t pfn;
    if (!frames.pfn_of(frame_of(e), pfn)) return {entry_fault::foreign_frame, i, raw(e)};
    if (pfn.raw() >= kFrameLimit) return {entry_fault::frame_too_large, i, raw(e)};
    out[i] = raw(make_pte(pfn, flags_of(e)));
  }
  return {};
}

// Calls visit(index, pfn) for each entry of a page in pfn form that names a frame, in order: what
// has to be populated before the page can be localised. visit returns true to go on and false to
// have the entry refused as pfn_without_frame. The rules of localise_table() that need no frames
// are checked on the way.
template <typename Visit>
entry_result visit_table(pt_level level, const table_page& in, Visit&& visit) {
  for (unsigned i = 0; i < kEntriesPerTable; ++i) {
    const pfn_pte e{detail::read_once(in[i])};
    if (xen_slot(level, i)) {
      if (raw(e) != 0) return {entry_fault::xen_slot, i, raw(e)};
      continue;
    }
    if (!present(e)) continue;
    if (superpage(level, e)) return {entry_fault::superpage, i, raw(e)};
    if (!visit(i, frame_of(e))) return {entry_fault::pfn_without_frame, i, raw(e)};
  }
  return {};
}

// Pfn form to machine form, strict because the page may come from a hostile image. Refused:
// anything in a slot of Xen, a superpage, a pfn at which the guest has no frame.
template <typename Frames>
entry_result localise_table(pt_level level, const table_page& in, table_page& out,
                            const Frames& frames) {
  for (unsigned i = 0; i < kEntriesPerTable; ++i) {
    const pfn_pte e{detail::read_once(in[i])};
    if (xen_slot(level, i)) {
      if (raw(e) != 0) return {entry_fault::xen_slot, i, raw(e)};
      out[i] = 0;
      continue;
    }
    if (!present(e)) {
      out[i] = raw(e);
      continue;
    }
    if (superpage(level, e)) return {entry_fault::superpage, i, raw(e)};
    mfn_t mfn;
    if (!frames.mfn_of(frame_of(e), mfn)) return {entry_fault::pfn_without_frame, i, raw(e)};
    if (mfn.raw() >= kFrameLimit) return {entry_fault::frame_too_large, i, raw(e)};
    out[i] = raw(make_pte(mfn, flags_of(e)));
  }
  return {};
}

}  // namespace ferry
