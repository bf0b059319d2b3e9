// The one door into the machine: a domain, a hypercall number and its arguments.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

// Who calls: the toolstack is domain 0, vCPU 0.
struct Caller {
  DomainNumber domid = 0;
  uint32_t vcpu = 0;
};

// Does what Xen does for __HYPERVISOR_<op>; its result, a negative errno on failure. Pointers in
// arguments and structures are addresses of the calling process. Takes the host's lock.
long hypercall(Host& host, Caller caller, unsigned op, const uint64_t args[5]);

// The same with the lock held and no fault injection: what one entry of a multicall does.
long hypercall_locked(Host& host, Caller caller, unsigned op, const uint64_t args[5]);

// Which kind of call this is, for fault plans.
CallKind kind_of(unsigned op, const uint64_t args[5]);

}  // namespace ferry::sim
