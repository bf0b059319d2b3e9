// The grants that a domain's toolstack makes for it.
#pragma once

#include "xen/hypervisor.h"

namespace ferry {

struct RingGrants {
  mfn_t console_mfn, store_mfn;
  uint32_t console_domid = 0, store_domid = 0;  // who may map them
};

// The reserved entries of a PV guest's table, through which the back ends of its two rings find
// them. Throws.
void seed_grant_table(const Hypervisor& xen, domid_t domid, const RingGrants& rings);

}  // namespace ferry
