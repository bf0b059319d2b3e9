// Event channels: binding, sending, closing.
#include "sim/machine/event_channels.h"

#include <cerrno>

namespace ferry::sim {

namespace {

shared_info_t* shared_info(Host& host, Domain& d) {
  return d.shared_info_mfn ? reinterpret_cast<shared_info_t*>(host.page(mfn_t(d.shared_info_mfn)))
                           : nullptr;
}

vcpu_info_t* vcpu_info(Host& host, Domain& d, uint32_t vcpu) {
  const Vcpu& v = d.vcpus[vcpu];
  if (v.vcpu_info_mfn)
    return reinterpret_cast<vcpu_info_t*>(host.page(mfn_t(v.vcpu_info_mfn)) + v.vcpu_info_offset);
  shared_info_t* shared = shared_info(host, d);
  return shared && vcpu < XEN_LEGACY_MAX_VCPUS ? &shared->vcpu_info[vcpu] : nullptr;
}

void set_pending(Host& host, Domain& d, uint32_t port) {
  Port& p = d.ports[port];
  shared_info_t* shared = shared_info(host, d);
  if (!shared) {
    p.pending = 1;
    host.tell_event(port);
    return;
  }
  const unsigned long bit = 1ul << (port % 64);
  if (shared->evtchn_pending[port / 64] & bit) return;
  shared->evtchn_pending[port / 64] |= bit;
  if (shared->evtchn_mask[port / 64] & bit) return;
  vcpu_info_t* info = vcpu_info(host, d, p.vcpu);
  if (!info) return;
  info->evtchn_pending_sel |= 1ul << (port / 64);
  info->evtchn_upcall_pending = 1;
  d.vcpus[p.vcpu].blocked = 0;
}

int free_port(Domain& d) {
  for (uint32_t port = 1; port <= d.max_port; ++port)
    if (d.ports[port].status == EVTCHNSTAT_closed) return static_cast<int>(port);
  return -ENOSPC;
}

int unmask(Host& host, Domain& d, uint32_t port) {
  if (port > d.max_port) return -EINVAL;  // one that nobody has may be unmasked
  shared_info_t* shared = shared_info(host, d);
  if (!shared) {
    d.ports[port].masked = 0;
    return 0;
  }
  const unsigned long bit = 1ul << (port % 64);
  shared->evtchn_mask[port / 64] &= ~bit;
  if (shared->evtchn_pending[port / 64] & bit) {
    shared->evtchn_pending[port / 64] &= ~bit;
    set_pending(host, d, port);
  }
  return 0;
}

int port_status(Host& host, Domain& caller, evtchn_status_t& arg) {
  Domain* d = arg.dom == DOMID_SELF ? &caller : host.find_domain(arg.dom);
  if (!d) return -ESRCH;
  if (!caller.privileged && d != &caller) return -EPERM;
  if (arg.port > d->max_port) return -EINVAL;
  const Port& p = d->ports[arg.port];
  arg.status = p.status;
  arg.vcpu = p.vcpu;
  switch (p.status) {
    case EVTCHNSTAT_unbound:
      arg.u.unbound.dom = p.remote_domain;
      break;
    case EVTCHNSTAT_interdomain:
      arg.u.interdomain.dom = p.remote_domain;
      arg.u.interdomain.port = p.remote_port;
      break;
    case EVTCHNSTAT_virq:
      arg.u.virq = p.virq;
      break;
    default:
      break;
  }
  return 0;
}

// Of the host, not of each vCPU.
bool is_global(uint32_t virq) {
  return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

int bind_ipi(Domain& d, uint32_t vcpu) {
  if (vcpu >= d.max_vcpus || !d.vcpus[vcpu].exists) return -ENOENT;
  const int port = free_port(d);
  if (port < 0) return port;
  d.ports[port] = Port{};
  d.ports[port].status = EVTCHNSTAT_ipi;
  d.ports[port].vcpu = vcpu;
  return port;
}

// A vCPU's own interrupts stay where they are.
int bind_vcpu(Domain& d, uint32_t port, uint32_t vcpu) {
  if (vcpu >= d.max_vcpus || !d.vcpus[vcpu].exists) return -ENOENT;
  if (port > d.max_port) return -EINVAL;
  Port& p = d.ports[port];
  const bool moves = p.status == EVTCHNSTAT_unbound || p.status == EVTCHNSTAT_interdomain ||
                     p.status == EVTCHNSTAT_pirq ||
                     (p.status == EVTCHNSTAT_virq && is_global(p.virq));
  if (!moves) return -EINVAL;
  p.vcpu = vcpu;
  return 0;
}

int alloc_unbound(Host& host, Domain& caller, evtchn_alloc_unbound_t& arg) {
  Domain* d = arg.dom == DOMID_SELF ? &caller : host.find_domain(arg.dom);
  if (!d) return -ESRCH;
  if (!caller.privileged && d != &caller) return -EPERM;
  const DomainNumber remote =
      arg.remote_dom == DOMID_SELF ? caller.domid : DomainNumber{arg.remote_dom};
  const int port = bind_unbound(host, *d, remote);
  if (port < 0) return port;
  arg.port = static_cast<evtchn_port_t>(port);
  return 0;
}

}  // namespace

int bind_unbound(Host&, Domain& d, DomainNumber remote) {
  const int port = free_port(d);
  if (port < 0) return port;
  d.ports[port] = Port{};
  d.ports[port].status = EVTCHNSTAT_unbound;
  d.ports[port].remote_domain = remote;
  return port;
}

int bind_interdomain(Host& host, Domain& d, DomainNumber remote, uint32_t remote_port) {
  Domain* r = remote == DOMID_SELF ? &d : host.find_domain(remote);
  if (!r) return -ESRCH;
  if (remote_port > r->max_port) return -EINVAL;
  Port& other = r->ports[remote_port];
  if (other.status != EVTCHNSTAT_unbound || other.remote_domain != d.domid) return -EINVAL;
  const int port = free_port(d);
  if (port < 0) return port;
  Port& mine = d.ports[port];
  mine = Port{};
  mine.status = EVTCHNSTAT_interdomain;
  mine.remote_domain = r->domid;
  mine.remote_port = remote_port;
  other.status = EVTCHNSTAT_interdomain;
  other.remote_domain = d.domid;
  other.remote_port = static_cast<uint32_t>(port);
  set_pending(host, d, static_cast<uint32_t>(port));  // as Xen does: the first event is spurious
  return port;
}

int bind_virq(Host&, Domain& d, uint32_t virq, uint32_t vcpu) {
  if (virq >= NR_VIRQS) return -EINVAL;
  if (vcpu >= d.max_vcpus || !d.vcpus[vcpu].exists) return -ENOENT;
  if (is_global(virq) && vcpu != 0) return -EINVAL;
  for (uint32_t port = 1; port <= d.max_port; ++port) {
    const Port& p = d.ports[port];
    if (p.status == EVTCHNSTAT_virq && p.virq == virq && p.vcpu == vcpu) return -EEXIST;
  }
  const int port = free_port(d);
  if (port < 0) return port;
  d.ports[port] = Port{};
  d.ports[port].status = EVTCHNSTAT_virq;
  d.ports[port].virq = static_cast<uint8_t>(virq);
  d.ports[port].vcpu = vcpu;
  return port;
}

int close_port(Host& host, Domain& d, uint32_t port) {
  if (port > d.max_port || d.ports[port].status == EVTCHNSTAT_closed) return -EINVAL;
  Port& p = d.ports[port];
  if (p.status == EVTCHNSTAT_interdomain) {
    if (Domain* r = host.find_domain(p.remote_domain)) {
      Port& other = r->ports[p.remote_port];
      other.status = EVTCHNSTAT_unbound;
      other.remote_domain = d.domid;
    }
  }
  if (shared_info_t* shared = shared_info(host, d))
    shared->evtchn_pending[port / 64] &= ~(1ul << (port % 64));
  p = Port{};
  return 0;
}

int send_event(Host& host, Domain& d, uint32_t port) {
  if (port > d.max_port) return -EINVAL;
  const Port& p = d.ports[port];
  switch (p.status) {
    case EVTCHNSTAT_interdomain:
      if (Domain* r = host.find_domain(p.remote_domain)) set_pending(host, *r, p.remote_port);
      return 0;
    case EVTCHNSTAT_ipi:
      set_pending(host, d, port);
      return 0;
    case EVTCHNSTAT_unbound:
      return 0;
    default:
      return -EINVAL;
  }
}

void close_all_ports(Host& host, Domain& d) {
  for (uint32_t port = 1; port <= d.max_port; ++port) close_port(host, d, port);
}

void send_to_domain0(Host& host, uint32_t port) {
  if (Domain* d = host.find_domain(0))
    if (port <= d->max_port && d->ports[port].status != EVTCHNSTAT_closed)
      set_pending(host, *d, port);
}

void raise_domain_exception(Host& host) {
  Domain* d = host.find_domain(0);
  for (uint32_t port = 1; d && port <= d->max_port; ++port)
    if (d->ports[port].status == EVTCHNSTAT_virq && d->ports[port].virq == VIRQ_DOM_EXC)
      set_pending(host, *d, port);
}

bool is_pending(Host& host, Domain& d, uint32_t port) {
  if (shared_info_t* shared = shared_info(host, d))
    return shared->evtchn_pending[port / 64] >> (port % 64) & 1;
  return d.ports[port].pending;
}

int event_channel_op(Host& host, Domain& caller, int cmd, void* arg) {
  if (!arg) return -EFAULT;
  switch (cmd) {
    case EVTCHNOP_alloc_unbound:
      return alloc_unbound(host, caller, *static_cast<evtchn_alloc_unbound_t*>(arg));
    case EVTCHNOP_bind_interdomain: {
      auto& a = *static_cast<evtchn_bind_interdomain_t*>(arg);
      const int port = bind_interdomain(host, caller, a.remote_dom, a.remote_port);
      if (port < 0) return port;
      a.local_port = static_cast<evtchn_port_t>(port);
      return 0;
    }
    case EVTCHNOP_bind_virq: {
      auto& a = *static_cast<evtchn_bind_virq_t*>(arg);
      const int port = bind_virq(host, caller, a.virq, a.vcpu);
      if (port < 0) return port;
      a.port = static_cast<evtchn_port_t>(port);
      return 0;
    }
    case EVTCHNOP_bind_ipi: {
      auto& a = *static_cast<evtchn_bind_ipi_t*>(arg);
      const int port = bind_ipi(caller, a.vcpu);
      if (port < 0) return port;
      a.port = static_cast<evtchn_port_t>(port);
      return 0;
    }
    case EVTCHNOP_bind_vcpu: {
      auto& a = *static_cast<evtchn_bind_vcpu_t*>(arg);
      return bind_vcpu(caller, a.port, a.vcpu);
    }
    case EVTCHNOP_close:
      return close_port(host, caller, static_cast<evtchn_close_t*>(arg)->port);
    case EVTCHNOP_send:
      return send_event(host, caller, static_cast<evtchn_send_t*>(arg)->port);
    case EVTCHNOP_status:
      return port_status(host, caller, *static_cast<evtchn_status_t*>(arg));
    case EVTCHNOP_unmask:
      return unmask(host, caller, static_cast<evtchn_unmask_t*>(arg)->port);
    case EVTCHNOP_reset: {
      const auto& a = *static_cast<evtchn_reset_t*>(arg);
      Domain* d = a.dom == DOMID_SELF ? &caller : host.find_domain(a.dom);
      if (!d) return -ESRCH;
      if (!caller.privileged && d != &caller) return -EPERM;
      close_all_ports(host, *d);
      return 0;
    }
    default:
      return -ENOSYS;
  }
}

}  // namespace ferry::sim
