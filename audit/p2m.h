// Is the guest's p2m one leaf for each 512 pfns, and each entry the right one?
#pragma once

#include <span>

#include "audit/guest_facts.h"
#include "audit/page_map.h"
#include "audit/report.h"

namespace ferry::audit {

// The list of leaves, a record at a time, into facts.leaves and facts.leaf_uses.
class LeafListCheck {
 public:
  // live: the guest may have moved its p2m while it was saved; the last list counts.
  LeafListCheck(PageMap& map, GuestFacts& facts, Findings& findings, bool live = false);
  void add(const v1::P2mFrames& record, const Place& place);
  // After the last record.
  void finish();

 private:
  void finish_leaf(uint64_t leaf, uint64_t pfn);

  PageMap& map_;
  GuestFacts& facts_;
  Findings& findings_;
  const bool live_;
  std::vector<uint64_t> unusable_;  // leaves that are listed with no page of that kind
};

// head's p2m_root_pfn.
void check_p2m_root(const v1::Head& head, const PageMap& map, Findings& findings);

// Judges the page at place.pfn for every leaf that it is. May run on several threads at once, for
// different pages.
void check_leaf_page(PageMap& map, const GuestFacts& facts, const Place& place,
                     std::span<const std::byte, kPageSize> page, Findings& findings);

// A page in leaf form that stands for no leaf of the p2m, or a version that is replaced later: what
// a restore could not put into memory.
void check_loose_leaf(const PageMap& map, const Place& place,
                      std::span<const std::byte, kPageSize> page, bool replaced,
                      Findings& findings);

// After all leaves: populated pages that the p2m does not name, and pages that are no leaf.
void check_p2m_complete(const PageMap& map, const GuestFacts& facts, Findings& findings);

}  // namespace ferry::audit
