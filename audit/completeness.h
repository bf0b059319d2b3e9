// Is every page there, once, and where the index says?
#pragma once

#include "audit/page_map.h"
#include "audit/report.h"

namespace ferry::audit {

// The list of populated pfns, a record at a time.
class PopulatedCheck {
 public:
  PopulatedCheck(const v1::Head& head, const PageMap& map, Findings& findings)
      : head_(head), map_(map), findings_(findings) {}

  void add(const v1::Populated& record, const Place& place);
  // After the last record.
  void finish();

 private:
  void check_run(uint64_t first, uint64_t count, const Place& place);

  const v1::Head& head_;
  const PageMap& map_;
  Findings& findings_;
  uint64_t next_ = 0;  // the lowest pfn that may come next
  uint64_t listed_ = 0;
  bool seen_ = false;
  bool broken_ = false;  // out of order or beyond the guest: the rest says nothing
};

// The head's stale frame lists.
void check_stale_frame_lists(const v1::Head& head, const PageMap& map, Findings& findings);

// After all records have gone by: what they said of each pfn against what the index says.
void check_completeness(const PageMap& map, Findings& findings);

}  // namespace ferry::audit
