// What Xen knows of a domain.
#include "xen/domain.h"

#include <algorithm>

#include "xen/xen_headers.h"

namespace ferry {

DomainInfo get_domain(const Hypervisor& xen, domid_t domid) {
  xc_dominfo_t found = {};
  int count = xc_domain_getinfo(xen.xch(), raw(domid), 1, &found);
  if (count < 0 && errno != ESRCH) fail_xen("describe the domain");
  // Xen answers with the next domain there is: only the number tells whether it is ours.
  if (count != 1 || found.domid != raw(domid))
    fail(Errc::no_domain, "there is no domain {}", raw(domid));
  DomainInfo info;
  info.domid = domid;
  info.hvm = found.hvm;
  info.dying = found.dying;
  info.crashed = found.crashed;
  info.paused = found.paused;
  info.shut_down = found.shutdown;
  info.shutdown_reason = found.shutdown_reason;
  info.suspended = found.shutdown && found.shutdown_reason == SHUTDOWN_suspend;
  info.nr_pages = found.nr_pages;
  info.max_pages = found.max_memkb >> (kPageShift - 10);
  info.shared_info = mfn_t(found.shared_info_frame);
  info.max_vcpu_id = found.max_vcpu_id;
  info.cpu_time_ns = found.cpu_time;
  std::copy(std::begin(found.handle), std::end(found.handle), info.uuid.begin());
  return info;
}

unsigned guest_width(const Hypervisor& xen, domid_t domid) {
  unsigned width = 0;
  if (xc_domain_get_guest_width(xen.xch(), raw(domid), &width) != 0)
    fail_xen("tell the guest's word size");
  return width;
}

uint64_t free_pages(const Hypervisor& xen) {
  xc_physinfo_t info = {};
  if (xc_physinfo(xen.xch(), &info) != 0) fail_xen("tell its free memory");
  return info.free_pages + info.scrub_pages;
}

void resume_fast(const Hypervisor& xen, domid_t domid) {
  if (xc_domain_resume(xen.xch(), raw(domid), 1) != 0) fail_xen("resume the guest");
}

void destroy_domain(const Hypervisor& xen, domid_t domid) {
  if (xc_domain_destroy(xen.xch(), raw(domid)) != 0) fail_xen("destroy the domain");
}

}  // namespace ferry
