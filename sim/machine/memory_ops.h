// memory_op: giving, taking and exchanging memory, the M2P's whereabouts, limits.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

// The hypercall; counts or a negative errno, as Xen returns them.
long memory_op(Host& host, Domain& caller, uint32_t command, void* arg);

}  // namespace ferry::sim
