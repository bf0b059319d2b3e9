// Mappings of other domains' frames into programs of domain 0: the references they hold.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

// What the kernel of domain 0 does for one page of a foreign mapping: an L1 entry of its own that
// names a frame of `domain` (a domid or DOMID_XEN). 0 or a negative errno; takes a general
// reference, and one as a writable page when `writable`.
int map_frame(Host& host, DomainNumber domain, mfn_t mfn, bool writable);
// Drops what map_frame took.
void unmap_frame(Host& host, mfn_t mfn, bool writable);

}  // namespace ferry::sim
