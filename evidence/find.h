// Where in a guest's memory is it? In order of pfn, over the borders of pages that follow each
// other.
#pragma once

#include <functional>

#include "evidence/guest_pages.h"
#include "evidence/pattern.h"

namespace ferry::evidence {

struct Hit {
  uint64_t pfn = 0;
  size_t at = 0;     // byte of the page
  size_t bytes = 0;  // as many as match; they end in the next page at the latest
  v1::PageKind kind = v1::DATA;
  // What is around it, while visit() runs: some bytes of its page before, it, and some after.
  std::span<const std::byte> around;
  size_t before = 0;  // of them
};

struct FindOptions {
  size_t context = 32;  // bytes of `around` before and after
};

// visit(hit) in order of where they begin, each as soon as it is found; false ends it. Zero pages
// count where something lies beside them: what would be in them alone is not found. Throws
// Error(bad_image), Error(io).
void find(const GuestPages& pages, const Pattern& pattern, const FindOptions& options,
          Executor& executor, const std::function<bool(const Hit&)>& visit);

}  // namespace ferry::evidence
