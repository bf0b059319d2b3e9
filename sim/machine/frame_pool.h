// Machine frames: handing them out, general references, and taking them back.
// All functions here and in the other machine headers expect the host's lock to be held.
#pragma once

#include <optional>

#include "sim/machine/host.h"

namespace ferry::sim {

inline constexpr uint64_t kInvalidM2p = ~uint64_t{0};

// Makes every frame free but the host's own and a few holes (no memory behind the number).
void set_up_frames(Host& host);
// Puts the M2P into its frames, owned by DOMID_XEN and readable by domain 0.
void set_up_m2p(Host& host);

// 2^order frames, aligned to their number, for a domain: one reference each, counted in tot_pages.
// Empty when max_pages or the host does not allow it, or the domain is dying.
std::optional<mfn_t> allocate_frames(Host& host, Domain& domain, unsigned order);
// A zeroed frame of the hypervisor's own heap shared with a domain (shared_info, grant table).
std::optional<mfn_t> allocate_special(Host& host, Domain& domain);

// One more general reference; false unless the frame is in use and `owner`'s.
[[nodiscard]] bool get_page(Host& host, mfn_t mfn, DomainNumber owner);
// Drops a reference that get_page gave; the last one frees the frame.
void put_page(Host& host, mfn_t mfn);
// Drops the allocation's own reference, if it is still there.
void put_allocation(Host& host, mfn_t mfn);

}  // namespace ferry::sim
