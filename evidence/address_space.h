// What an address space maps, in order of virtual addresses.
#pragma once

#include <functional>

#include "evidence/guest_pages.h"

namespace ferry::evidence {

// visit(virtual address, pfn) for each page with a frame that these page tables map, ascending as
// numbers: what a process has, then what the kernel has. Xen's own addresses are left out, and
// large pages, which PV guests have not. false ends it. root: pfn of an L4; whatever else it is
// maps nothing. Throws Error(unsupported) for tables that map far more than the guest has, which
// nothing but malice makes, Error(bad_image), Error(io).
void each_mapped(const GuestPages& pages, uint64_t root,
                 const std::function<bool(uint64_t vaddr, uint64_t pfn)>& visit);

}  // namespace ferry::evidence
