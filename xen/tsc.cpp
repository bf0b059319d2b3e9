// How a domain's time stamp counter behaves.
#include "xen/tsc.h"

#include "xen/xen_headers.h"

namespace ferry {

TscInfo get_tsc(const Hypervisor& xen, domid_t domid) {
  TscInfo tsc;
  if (xc_domain_get_tsc_info(xen.xch(), raw(domid), &tsc.mode, &tsc.nsec, &tsc.khz,
                             &tsc.incarnation) != 0)
    fail_xen("read the guest's TSC settings");
  return tsc;
}

void set_tsc(const Hypervisor& xen, domid_t domid, const TscInfo& tsc) {
  if (xc_domain_set_tsc_info(xen.xch(), raw(domid), tsc.mode, tsc.nsec, tsc.khz, tsc.incarnation) !=
      0)
    fail_xen("accept the guest's TSC settings");
}

uint32_t host_tsc_khz(const Hypervisor& xen) {
  xc_physinfo_t info = {};
  if (xc_physinfo(xen.xch(), &info) != 0) fail_xen("tell how fast its TSC is");
  return info.cpu_khz;
}

}  // namespace ferry
