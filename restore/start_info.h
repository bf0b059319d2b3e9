// The start_info page: where the guest finds its rings, event channels and shared_info.
#pragma once

#include "restore/guest_state.h"

namespace ferry {

// Rewrites what is this host's in the guest's start_info page, turning its ring pfns into mfns.
// Throws Error(bad_image).
RestoreResult fix_start_info(const Hypervisor& xen, const RestoreTarget& target,
                             const DomainInfo& domain, const FrameMap& frames, pfn_t start_info);

}  // namespace ferry
