// Event channels: 2-level ABI, ports of domains and of domain 0's programs.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

// EVTCHNOP_* of the event_channel_op hypercall.
int event_channel_op(Host& host, Domain& caller, int cmd, void* arg);

// What the event-channel device offers to a program in domain 0. Port or negative errno.
int bind_interdomain(Host& host, Domain& domain, DomainNumber remote, uint32_t remote_port);
int bind_unbound(Host& host, Domain& domain, DomainNumber remote);
int bind_virq(Host& host, Domain& domain, uint32_t virq, uint32_t vcpu);
int close_port(Host& host, Domain& domain, uint32_t port);
int send_event(Host& host, Domain& domain, uint32_t port);

void close_all_ports(Host& host, Domain& domain);
// A port of domain 0 becomes pending.
void send_to_domain0(Host& host, uint32_t port);
// VIRQ_DOM_EXC: a domain has shut down or died.
void raise_domain_exception(Host& host);
// Whether a port's event is pending (shared_info, or the port itself in domain 0).
bool is_pending(Host& host, Domain& domain, uint32_t port);

}  // namespace ferry::sim
