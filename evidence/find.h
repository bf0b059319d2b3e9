// Where in a guest's memory is it? In order of pfn, or of the virtual addresses of an address
// space, over the borders of pages that follow each other there.
#pragma once

#include <functional>
#include <optional>

#include "evidence/guest_pages.h"
#include "evidence/pattern.h"

namespace ferry::evidence {

struct Hit {
  uint64_t pfn = 0;
  std::optional<uint64_t> vaddr = {};  // of its first byte, where it was searched in that order
  size_t at = 0;                       // byte of the page
  size_t bytes = 0;  // as many as match; they end in the page that follows at the latest
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

// The same in the address space of this root, pfn of an L4: pages that are neighbours by their
// virtual addresses, wherever they lie. A page that is mapped twice is searched twice. On the
// calling thread. Throws as each_mapped() does.
void find_virtual(const GuestPages& pages, uint64_t root, const Pattern& pattern,
                  const FindOptions& options, const std::function<bool(const Hit&)>& visit);

}  // namespace ferry::evidence
