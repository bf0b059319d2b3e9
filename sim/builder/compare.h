// Whether a restored guest is the guest that was saved.
#pragma once

#include <string>
#include <vector>

#include "sim/builder/guest_view.h"

namespace ferry::sim {

// How an engine may treat what has no single right answer. Each field names one difference on
// purpose.
struct RestoreRules {
  // Identity entries of p2m leaves come back as they were; otherwise they become invalid.
  bool keeps_identity_entries = false;
  // SIF_VIRT_P2M_4TOOLS survives in start_info.flags; otherwise flags are 0.
  bool keeps_p2m_flag = false;
  // shared_info's p2m_cr3 is 0 or the new address of the page; otherwise it is the source's, stale.
  bool fixes_p2m_cr3 = false;
  // start_info.nr_pages counts up to the end of the p2m; otherwise it stays the guest's own.
  bool counts_pages_to_p2m_end = true;
  // A page table that still holds a foreign frame after suspension ends the save with a sentence;
  // otherwise the page is silently left out of what is called a saved guest.
  bool refuses_foreign_frames = false;
};

// What Debian's libxenguest 4.17 does, and what ferry does.
inline constexpr RestoreRules kStockRules{};
inline constexpr RestoreRules kFerryRules{true, true, true, false, true};

// Compares a restored guest with what `source`'s guest looked like (a view taken after its
// suspension). Empty when it is the same guest; at most 20 sentences otherwise.
std::vector<std::string> compare_restored(const ScratchGuest& built, const GuestView& source,
                                          Host& host, DomainNumber restored,
                                          const RestoreRules& rules);

// Compares two views bit by bit, p2m leaves, start_info and shared_info excepted.
std::vector<std::string> compare_views(const ScratchGuest& built, const GuestView& a,
                                       const GuestView& b);

}  // namespace ferry::sim
