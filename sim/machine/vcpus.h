// A vCPU's state: contexts, extended state, MSRs, and the references that they hold.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

void set_up_vcpu(Vcpu& vcpu);
// Drops its address space, GDT and vcpu_info page.
void release_vcpu(Host& host, Vcpu& vcpu);

// XEN_DOMCTL_setvcpucontext and VCPUOP_initialise. Validates everything reachable from cr3.
int set_vcpu_context(Host& host, Domain& domain, uint32_t id, const vcpu_guest_context_t& context);
int get_vcpu_context(const Domain& domain, uint32_t id, vcpu_guest_context_t& context);
// XEN_DOMCTL_setvcpucontext without a context.
int reset_vcpu(Host& host, Domain& domain, uint32_t id);

int set_gdt(Host& host, Domain& domain, Vcpu& vcpu, const uint64_t* frames, uint32_t entries);
void drop_gdt(Host& host, Vcpu& vcpu);

int get_ext_context(Domain& domain, xen_domctl_ext_vcpucontext& ext);
int set_ext_context(Domain& domain, const xen_domctl_ext_vcpucontext& ext);
int get_xsave(Domain& domain, xen_domctl_vcpuextstate& state);
int set_xsave(Domain& domain, xen_domctl_vcpuextstate& state);
int get_msrs(Domain& domain, xen_domctl_vcpu_msrs& msrs);
int set_msrs(Domain& domain, xen_domctl_vcpu_msrs& msrs);

// The policy of a new domain: what this host's CPUs offer to a PV guest.
void set_default_policy(CpuPolicy& policy);
// And what a PV guest can have beyond that.
void add_most_policy(CpuPolicy& policy);
int get_policy(const CpuPolicy& policy, xen_domctl_cpu_policy& out);
int set_policy(Domain& domain, xen_domctl_cpu_policy& policy);

}  // namespace ferry::sim
