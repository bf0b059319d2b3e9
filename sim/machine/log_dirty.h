// Log-dirty: which guest pages were written since the last look.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

// Marks the frame's page, by the M2P's pfn of this moment, if its owner is being logged.
void mark_dirty(Host& host, mfn_t mfn);
// Marks a pfn; values that are no pfn are ignored.
void mark_pfn_dirty(Host& host, Domain& domain, uint64_t pfn);

// XEN_DOMCTL_shadow_op; 0 or a negative errno, op's output fields filled.
int shadow_op(Host& host, Domain& caller, Domain& domain, xen_domctl_shadow_op& op);

// Drops the log of a domain that goes away.
void forget_dirty_log(Host& host, Domain& domain);

}  // namespace ferry::sim
