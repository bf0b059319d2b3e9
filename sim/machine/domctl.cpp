// What a toolstack asks of a domain: domctl, operation by operation.
#include "sim/machine/domctl.h"

#include <cerrno>
#include <cstring>

#include "sim/machine/domains.h"
#include "sim/machine/frame_pool.h"
#include "sim/machine/log_dirty.h"
#include "sim/machine/release.h"
#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

long get_info(Host& host, xen_domctl& op) {
  Domain* d = host.find_domain(op.domain);
  if (!d) {
    if (!release().info_goes_on_to_next) return -ESRCH;
    if (op.domain >= DOMID_FIRST_RESERVED) return -EINVAL;
    d = next_domain(host, op.domain);
    if (!d) return -ESRCH;
  }
  fill_info(*d, op.u.getdomaininfo);
  op.domain = d->domid;
  return 0;
}

// The low 32 bits of one answer: type, pinned, or why there is no page.
uint64_t page_info(Host& host, const Domain& d, mfn_t mfn) {
  if (!get_page(host, mfn, d.domid)) return XEN_DOMCTL_PFINFO_XTAB;
  const Frame& f = host.frame(mfn);
  uint64_t info = XEN_DOMCTL_PFINFO_NOTAB;
  if (f.special) {
    info = XEN_DOMCTL_PFINFO_XTAB;
  } else {
    if (f.type >= PageType::l1 && f.type <= PageType::l4)
      info = static_cast<uint64_t>(f.type) << XEN_DOMCTL_PFINFO_LTAB_SHIFT;
    if (f.pinned)
      info |= XEN_DOMCTL_PFINFO_LPINTAB;
    else if (!f.validated)
      info = XEN_DOMCTL_PFINFO_NOTAB;
    if (f.broken) info = XEN_DOMCTL_PFINFO_BROKEN;
  }
  put_page(host, mfn);
  return info;
}

long get_page_info(Host& host, Domain& d, xen_domctl_getpageframeinfo3& op) {
  if (op.num > 1024) return -E2BIG;
  if (op.num && !op.array.p) return -EFAULT;
  for (uint64_t i = 0; i < op.num; ++i) op.array.p[i] = page_info(host, d, mfn_t(op.array.p[i]));
  return 0;
}

long set_context(Host& host, Domain& caller, Domain& d, xen_domctl_vcpucontext& op) {
  if (&caller == &d || op.vcpu >= d.max_vcpus || !d.vcpus[op.vcpu].exists) return -EINVAL;
  if (!op.ctxt.p) return reset_vcpu(host, d, op.vcpu);
  return set_vcpu_context(host, d, op.vcpu, *op.ctxt.p);
}

long get_context(Domain& caller, Domain& d, xen_domctl_vcpucontext& op) {
  if (&caller == &d) return -EINVAL;
  vcpu_guest_context_t context;
  if (int rc = get_vcpu_context(d, op.vcpu, context)) return rc;
  if (!op.ctxt.p) return -EFAULT;
  memcpy(op.ctxt.p, &context, sizeof context);
  return 0;
}

long get_vcpu_info(const Domain& d, xen_domctl_getvcpuinfo& op) {
  if (op.vcpu >= d.max_vcpus) return -EINVAL;
  const Vcpu& v = d.vcpus[op.vcpu];
  if (!v.exists) return -ESRCH;
  op.online = !v.down;
  op.blocked = v.blocked;
  op.running = runnable(d) && !v.down && !v.blocked;
  op.cpu_time = 0;
  op.cpu = 0;
  return 0;
}

long set_address_size(uint32_t bits) {
  if (bits == 64) return 0;
  if (bits != 32) return -EINVAL;
  return -EOPNOTSUPP;  // a hypervisor built without 32-bit PV guests
}

long set_tsc(Host& host, Domain& d, const xen_domctl_tsc_info& tsc) {
  if (tsc.tsc_mode > 2) return -EINVAL;
  d.tsc_mode = tsc.tsc_mode;
  d.tsc_nsec = tsc.elapsed_nsec;
  d.tsc_khz = tsc.gtsc_khz ? tsc.gtsc_khz : host.state().cpu_khz;
  d.tsc_incarnation = tsc.incarnation + 1;  // every setting is a new life of the clock
  return 0;
}

long get_tsc(const Domain& d, xen_domctl_tsc_info& tsc) {
  tsc.tsc_mode = d.tsc_mode;
  const bool native = d.tsc_mode == 2;  // never emulated: Xen keeps no clock for it
  tsc.elapsed_nsec = native ? 0 : d.tsc_nsec;
  tsc.gtsc_khz = native ? 0 : d.tsc_khz;
  tsc.incarnation = d.tsc_incarnation;
  return 0;
}

long hypercall_page(Host& host, Domain& d, uint64_t gmfn) {
  const mfn_t mfn(gmfn);
  if (!get_page(host, mfn, d.domid)) return -EACCES;
  // mov $n,%eax; int3: nobody executes it here, but its bytes travel with the guest.
  uint8_t* page = host.page(mfn);
  for (unsigned n = 0; n < kPageSize / 32; ++n) {
    const uint8_t stub[6] = {0xb8, static_cast<uint8_t>(n), 0, 0, 0, 0xcc};
    memcpy(page + n * 32, stub, sizeof stub);
  }
  put_page(host, mfn);
  return 0;
}

long pool_size(Host& host, Domain& d, xen_domctl_paging_mempool& op, bool set) {
  if (!host.state().shadow_paging) return -EOPNOTSUPP;
  if (!set) {
    op.size = d.paging_pool_bytes;
    return 0;
  }
  if (op.size & (kPageSize - 1)) return -EINVAL;
  d.paging_pool_bytes = op.size;
  return 0;
}

long vcpu_state(Host& host, Domain& caller, Domain& d, xen_domctl& op) {
  switch (op.cmd) {
    case XEN_DOMCTL_setvcpucontext:
      return set_context(host, caller, d, op.u.vcpucontext);
    case XEN_DOMCTL_getvcpucontext:
      return get_context(caller, d, op.u.vcpucontext);
    case XEN_DOMCTL_getvcpuinfo:
      return get_vcpu_info(d, op.u.getvcpuinfo);
    case XEN_DOMCTL_get_ext_vcpucontext:
      return get_ext_context(d, op.u.ext_vcpucontext);
    case XEN_DOMCTL_set_ext_vcpucontext:
      return set_ext_context(d, op.u.ext_vcpucontext);
    case XEN_DOMCTL_getvcpuextstate:
      return get_xsave(d, op.u.vcpuextstate);
    case XEN_DOMCTL_setvcpuextstate:
      return set_xsave(d, op.u.vcpuextstate);
    case XEN_DOMCTL_get_vcpu_msrs:
      return get_msrs(d, op.u.vcpu_msrs);
    case XEN_DOMCTL_set_vcpu_msrs:
      return set_msrs(d, op.u.vcpu_msrs);
    default:
      return -ENOSYS;
  }
}

long other(Host& host, Domain& caller, Domain& d, xen_domctl& op) {
  switch (op.cmd) {
    case XEN_DOMCTL_set_address_size:
      return set_address_size(op.u.address_size.size);
    case XEN_DOMCTL_get_address_size:
      op.u.address_size.size = 64;
      return 0;
    case XEN_DOMCTL_getpageframeinfo3:
      return get_page_info(host, d, op.u.getpageframeinfo3);
    case XEN_DOMCTL_shadow_op:
      return shadow_op(host, caller, d, op.u.shadow_op);
    case XEN_DOMCTL_settscinfo:
      return &caller == &d ? -EINVAL : set_tsc(host, d, op.u.tsc_info);
    case XEN_DOMCTL_gettscinfo:
      return &caller == &d ? -EINVAL : get_tsc(d, op.u.tsc_info);
    case XEN_DOMCTL_subscribe:
      d.suspend_port = op.u.subscribe.port;
      return 0;
    case XEN_DOMCTL_hypercall_init:
      return hypercall_page(host, d, op.u.hypercall_init.gmfn);
    case XEN_DOMCTL_get_cpu_policy:
      return get_policy(d.policy, op.u.cpu_policy);
    case XEN_DOMCTL_set_cpu_policy:
      return &caller == &d ? -EINVAL : set_policy(d, op.u.cpu_policy);
    case XEN_DOMCTL_get_paging_mempool_size:
      return pool_size(host, d, op.u.paging_mempool, false);
    case XEN_DOMCTL_set_paging_mempool_size:
      return pool_size(host, d, op.u.paging_mempool, true);
    default:
      return vcpu_state(host, caller, d, op);
  }
}

long life(Host& host, Domain& caller, Domain& d, xen_domctl& op) {
  const bool self = &caller == &d;
  switch (op.cmd) {
    case XEN_DOMCTL_pausedomain:
      return self ? -EINVAL : pause_domain(d);
    case XEN_DOMCTL_unpausedomain:
      return unpause_domain(d);
    case XEN_DOMCTL_resumedomain:
      if (self) return -EINVAL;
      resume_domain(d);
      return 0;
    case XEN_DOMCTL_destroydomain:
      return self ? -EINVAL : kill_domain(host, d);
    case XEN_DOMCTL_max_vcpus:
      return self ? -EINVAL : create_vcpus(d, op.u.max_vcpus.max);
    case XEN_DOMCTL_max_mem: {
      const uint64_t pages = op.u.max_mem.max_memkb >> (kPageShift - 10);
      d.max_pages = pages < 0xffffffff ? pages : 0xffffffff;
      return 0;
    }
    case XEN_DOMCTL_setdomainhandle:
      memcpy(d.handle, op.u.setdomainhandle.handle, sizeof d.handle);
      return 0;
    case XEN_DOMCTL_setdebugging:
      if (self) return -EINVAL;
      d.debugging = op.u.setdebugging.enable != 0;
      return 0;
    default:
      return other(host, caller, d, op);
  }
}

}  // namespace

long domctl(Host& host, Domain& caller, xen_domctl* op) {
  if (!op) return -EFAULT;
  if (op->interface_version != XEN_DOMCTL_INTERFACE_VERSION) return -EACCES;
  if (!caller.privileged) return -EPERM;
  if (op->cmd == XEN_DOMCTL_createdomain) {
    DomainNumber domid = op->domain;
    if (int rc = create_domain(host, domid, op->u.createdomain)) return rc;
    op->domain = domid;
    return 0;
  }
  if (op->cmd == XEN_DOMCTL_getdomaininfo) return get_info(host, *op);
  Domain* d = host.find_domain(op->domain);
  return d ? life(host, caller, *d, *op) : -ESRCH;
}

}  // namespace ferry::sim
