// Grant tables, version 1: entries in shared frames, mappings by other domains.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

int set_up_grant_table(Host& host, Domain& domain);
// Gives back the table's frames and everything the domain has mapped of others.
void release_grants(Host& host, Domain& domain);

// GNTTABOP_* of the grant_table_op hypercall.
int grant_table_op(Host& host, Domain& caller, uint32_t vcpu, uint32_t cmd, void* arg,
                   uint32_t count);

// XENMEM_resource_grant_table: frame `index` of the table, growing it; 0 or a negative errno.
int grant_table_frame(Host& host, Domain& domain, uint32_t index, mfn_t& mfn);

}  // namespace ferry::sim
