// What Xen knows of a domain.
#include "xen/domain.h"

#include <algorithm>

#include "xen/xen_headers.h"

namespace ferry {

namespace {

unsigned shutdown_reason_of(const xc_domaininfo_t& found) {
  return found.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
}

DomainInfo described(const xc_domaininfo_t& found) {
  const bool ended = found.flags & XEN_DOMINF_shutdown;
  const unsigned reason = shutdown_reason_of(found);
  DomainInfo info;
  info.domid = domid_t{found.domain};
  info.hvm = found.flags & XEN_DOMINF_hvm_guest;
  info.dying = found.flags & XEN_DOMINF_dying;
  info.crashed = ended && reason == SHUTDOWN_crash;
  info.paused = found.flags & XEN_DOMINF_paused;
  info.shut_down = ended && !info.crashed;
  info.shutdown_reason = reason;
  info.suspended = ended && reason == SHUTDOWN_suspend;
  info.nr_pages = found.tot_pages;
  info.max_pages = found.max_pages;
  info.shared_info = mfn_t(found.shared_info_frame);
  info.max_vcpu_id = found.max_vcpu_id;
  info.cpu_time_ns = found.cpu_time;
  std::copy(std::begin(found.handle), std::end(found.handle), info.uuid.begin());
  return info;
}

}  // namespace

DomainInfo get_domain(const Hypervisor& xen, domid_t domid) {
  xc_domaininfo_t found = {};
  const int count = xc_domain_getinfolist(xen.xch(), raw(domid), 1, &found);
  if (count < 0) fail_xen("describe the domain");
  // Xen answers with the next domain there is: only the number tells whether it is ours.
  if (count != 1 || found.domain != raw(domid))
    fail(Errc::no_domain, "there is no domain {}", raw(domid));
  return described(found);
}

std::vector<DomainInfo> list_domains(const Hypervisor& xen) {
  constexpr unsigned kAtOnce = 256;
  std::vector<xc_domaininfo_t> some(kAtOnce);
  std::vector<DomainInfo> all;
  for (uint32_t from = 0;;) {
    const int count = xc_domain_getinfolist(xen.xch(), from, kAtOnce, some.data());
    if (count < 0) fail_xen("list the domains");
    for (int i = 0; i < count; ++i) all.push_back(described(some[static_cast<size_t>(i)]));
    if (count < static_cast<int>(kAtOnce)) return all;
    from = raw(all.back().domid) + 1;
  }
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

void pause_domain(const Hypervisor& xen, domid_t domid) {
  if (xc_domain_pause(xen.xch(), raw(domid)) != 0) fail_xen("pause the guest");
}

void destroy_domain(const Hypervisor& xen, domid_t domid) {
  if (xc_domain_destroy(xen.xch(), raw(domid)) != 0) fail_xen("destroy the domain");
}

}  // namespace ferry
