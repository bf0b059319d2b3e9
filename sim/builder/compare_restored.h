// Whether two restorers made the same guest of one saved guest, and where they differ on purpose.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "sim/builder/compare.h"

namespace ferry::sim {

// The differences on purpose, by the names of RestoreRules.
enum class OnPurpose : uint8_t {
  keeps_identity_entries,
  keeps_p2m_flag,
  fixes_p2m_cr3,
  counts_pages_to_p2m_end,
  refuses_foreign_frames,  // of saves: compare_two_restored() never meets it
  kinds,                   // how many there are
};
std::string_view name_of(OnPurpose difference);

// How often each of them was what made the difference.
using OnPurposeCounts = std::array<uint64_t, static_cast<size_t>(OnPurpose::kinds)>;

struct RestoredBy {
  Host& host;
  DomainNumber domid;
  RestoreRules rules;
};

// Compares two restored guests with each other: every page byte by byte, page tables, p2m,
// start_info, shared_info and vCPUs with machine frames renamed. What differs is either one of
// OnPurpose, by the rules of both, and counted, or a sentence; at most 20 of those.
std::vector<std::string> compare_two_restored(const ScratchGuest& built, const RestoredBy& a,
                                              const RestoredBy& b, OnPurposeCounts& counts);

}  // namespace ferry::sim
