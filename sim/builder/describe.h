// Any suspended guest, described by what it publishes, for comparisons that were made for scratch
// guests.
#pragma once

#include "sim/builder/guest_builder.h"
#include "sim/builder/guest_view.h"

namespace ferry::sim {

// Its p2m leaves, start_info and rings, as shared_info and vCPU 0 name them; roles and levels are
// those of pages that a restorer rewrites and of page tables, `data` otherwise. view: of the same
// domain at the same moment. Throws ferry::Error if the guest publishes nonsense.
ScratchGuest describe_guest(Host& host, DomainNumber domid, const GuestView& view);

}  // namespace ferry::sim
