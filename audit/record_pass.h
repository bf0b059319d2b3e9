// One pass over all records, front to back, on all cores: framing, digests, bodies, and the
// contents of page tables and p2m leaves while they are at hand.
#pragma once

#include "audit/guest_facts.h"
#include "audit/page_map.h"
#include "audit/report.h"
#include "pipeline/pipeline.h"

namespace ferry::audit {

struct PassTotals {
  uint64_t records = 0;
  uint64_t pages_records = 0;
  uint64_t pages_bytes = 0;  // of Pages records, whole
};

struct PassInput {
  const ImageFile& image;
  Level level;
  // Both nullptr if the index or the small records cannot be used: then no page is judged.
  PageMap* map = nullptr;
  const GuestFacts* facts = nullptr;
};

// What is wrong with the bytes goes to `bytes`, what is wrong with the guest to `guest`.
// Throws Error(io).
PassTotals pass_over_records(const PassInput& input, Executor& executor, Findings& bytes,
                             Findings& guest);

}  // namespace ferry::audit
