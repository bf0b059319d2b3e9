// A leaf page of the guest's p2m, to pfn form and back. Freestanding-clean.
//
//   in the guest             in pfn form          back in the guest
//   ~0 (INVALID)             ~0                   ~0
//   own mfn                  the mfn's pfn        the pfn's new mfn
//   bit 62 | pfn (IDENTITY)  the same             the same
//   bit 63 | mfn (FOREIGN)   bit 63 alone         ~0: the grant did not travel
//
// The policies are those of canonicalize/table.h. A page of the guest can stand for several leaves
// (all missing ones share one), so entries are converted by what they say, not by where they stand.
#pragma once

#include <stdint.h>

#include "canonicalize/table.h"
#include "p2m/entry.h"

namespace ferry {

using p2m_leaf_page = uint64_t[kP2mPerPage];

template <typename Frames>
entry_result canonicalize_p2m_leaf(const p2m_leaf_page& in, p2m_leaf_page& out,
                                   const Frames& frames) {
  for (unsigned i = 0; i < kP2mPerPage; ++i) {
    const uint64_t e = detail::read_once(in[i]);
    switch (p2m_kind_of(e)) {
      case p2m_kind::invalid:
      case p2m_kind::identity:
        out[i] = e;
        break;
      case p2m_kind::foreign:
        out[i] = kForeignFrameBit;
        break;
      case p2m_kind::own: {
        pfn_t pfn;
        if (!frames.pfn_of(mfn_t(e), pfn)) return {entry_fault::foreign_frame, i, e};
        if (pfn.raw() >= kFrameLimit) return {entry_fault::frame_too_large, i, e};
        out[i] = pfn.raw();
        break;
      }
    }
  }
  return {};
}

// Strict: a value that canonicalize_p2m_leaf() never gives is refused.
template <typename Frames>
entry_result localise_p2m_leaf(const p2m_leaf_page& in, p2m_leaf_page& out, const Frames& frames) {
  for (unsigned i = 0; i < kP2mPerPage; ++i) {
    const uint64_t e = detail::read_once(in[i]);
    switch (p2m_kind_of(e)) {
      case p2m_kind::invalid:
      case p2m_kind::identity:
        out[i] = e;
        break;
      case p2m_kind::foreign:
        if (e != kForeignFrameBit) return {entry_fault::malformed, i, e};
        out[i] = kInvalidP2mEntry;
        break;
      case p2m_kind::own: {
        if (e >= kFrameLimit) return {entry_fault::malformed, i, e};
        mfn_t mfn;
        if (!frames.mfn_of(pfn_t(e), mfn)) return {entry_fault::pfn_without_frame, i, e};
        if (mfn.raw() >= kFrameLimit) return {entry_fault::frame_too_large, i, e};
        out[i] = mfn.raw();
        break;
      }
    }
  }
  return {};
}

}  // namespace ferry
