// Domains: making, pausing, killing them, and what others may know about them.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

// Domain 0: privileged, without memory of its own.
void set_up_domain0(Host& host);

// Each returns 0 or a negative errno.
int create_domain(Host& host, DomainNumber& domid, const xen_domctl_createdomain& config);
int create_vcpus(Domain& domain, uint32_t max);
int pause_domain(Domain& domain);
int unpause_domain(Domain& domain);
// Drops everything the domain holds; frames that others still map stay until they let go.
int kill_domain(Host& host, Domain& domain);
// The guest stops: SCHEDOP_shutdown, or domain 0 in its place. The first reason wins.
void shut_down(Host& host, Domain& domain, uint8_t reason);
void resume_domain(Domain& domain);

// Frees the slot of a killed domain once its last frame is back.
void reap_if_dead(Host& host, Domain& domain);

void fill_info(const Domain& domain, xen_domctl_getdomaininfo& info);
// The domain with the lowest number at or above `from`, or null.
Domain* next_domain(Host& host, DomainNumber from);

// Whether a vCPU of the domain could run now: unpaused, not shut down, not dying.
bool runnable(const Domain& domain);

}  // namespace ferry::sim
