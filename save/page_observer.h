// What becomes of each page on its way into an image, for whoever has to know.
#pragma once

#include <cstddef>

#include "p2m/frames.h"
#include "proto/pages.h"

namespace ferry {

// A save that lasts longer than one pass notes it. For one pfn, calls come one after the other; for
// different pfns, from different threads at the same time. This one itself notes nothing.
class PageObserver {
 public:
  virtual ~PageObserver() = default;
  virtual void absent(pfn_t /*pfn*/) {}
  // The page as it was copied from the guest, before anything was made of it. Not the guest's own
  // memory, and nobody writes there.
  virtual void copied(pfn_t /*pfn*/, const std::byte* /*raw*/) {}
  // The page as it goes into the image; kind is DATA for zeros.
  virtual void sent(pfn_t /*pfn*/, mfn_t /*mfn*/, v1::PageKind /*kind*/,
                    const std::byte* /*canonical*/) {}
  // The guest was changing the page: it is not in the image and has to be tried again.
  virtual void put_off(pfn_t /*pfn*/) {}
};

}  // namespace ferry
