// The grants that a domain's toolstack makes for it.
#include "xen/grant_table.h"

#include "xen/xen_headers.h"

namespace ferry {

void seed_grant_table(const Hypervisor& xen, domid_t domid, const RingGrants& rings) {
  if (xc_dom_gnttab_seed(xen.xch(), raw(domid), false, rings.console_mfn.raw(),
                         rings.store_mfn.raw(), rings.console_domid, rings.store_domid) != 0)
    fail_xen("seed the guest's grant table");
}

}  // namespace ferry
