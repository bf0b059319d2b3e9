// What page tables and leaves of the p2m mean, as far as the image knows it. Entries that nobody
// has written can mean something else all the same: a page may have got another frame since, or
// have left and come back.
#pragma once

#include <mutex>
#include <unordered_map>

#include "save/guest_view.h"
#include "save/live/content_hash.h"
#include "save/live/page_states.h"

namespace ferry {

class TableMeanings {
 public:
  explicit TableMeanings(const PageStates& states) : states_(states) {}

  // Of every page that goes out, as it goes into the image, on any thread. Of no interest: pages
  // that hold no frames.
  void sent(pfn_t pfn, v1::PageKind kind, const std::byte* canonical);

  // True if the image has it as a table, and frames have changed hands, so that it takes a look at
  // what it means. The guest is suspended.
  bool is_doubtful(pfn_t pfn) const;

  // True if what the image has of this doubtful table is not what its page says. Not while anything
  // is sent; on any thread.
  bool differs(const GuestView& guest, pfn_t pfn, const std::byte* guest_page) const;

 private:
  const PageStates& states_;
  const PageHasher hasher_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, PageHash> sent_;
};

}  // namespace ferry
