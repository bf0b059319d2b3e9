// memory_op.
#include "sim/machine/memory_ops.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "sim/machine/frame_pool.h"

namespace ferry::sim {

namespace {

// The largest extents: domain 0 controls the machine, others get 2 MiB.
unsigned max_order(const Domain& caller) {
  return caller.privileged ? 18 : 9;
}

Domain* named_domain(Host& host, Domain& caller, uint16_t domid) {
  return domid == DOMID_SELF ? &caller : host.find_domain(domid);
}

bool may_adjust(const Domain& caller, const Domain& d) {
  return caller.privileged || &caller == &d;
}

long increase(Host& host, Domain& caller, Domain& d, const xen_memory_reservation_t& r) {
  if (r.extent_order > max_order(caller)) return 0;
  uint64_t i = 0;
  for (; i < r.nr_extents; ++i) {
    const auto mfn = allocate_frames(host, d, r.extent_order);
    if (!mfn) break;
    if (r.extent_start.p) r.extent_start.p[i] = mfn->raw();
  }
  return static_cast<long>(i);
}

long populate(Host& host, Domain& caller, Domain& d, const xen_memory_reservation_t& r) {
  if (r.extent_order > max_order(caller) || !r.extent_start.p) return 0;
  if (r.mem_flags & XENMEMF_populate_on_demand) return &caller == &d ? 0 : long(r.nr_extents);
  uint64_t i = 0;
  for (; i < r.nr_extents; ++i) {
    const uint64_t pfn = r.extent_start.p[i];
    const auto mfn = allocate_frames(host, d, r.extent_order);
    if (!mfn) break;
    for (uint64_t n = 0; n < uint64_t{1} << r.extent_order; ++n) host.m2p(*mfn + n) = pfn + n;
    r.extent_start.p[i] = mfn->raw();
  }
  return static_cast<long>(i);
}

bool remove_frame(Host& host, const Domain& d, mfn_t mfn) {
  if (!get_page(host, mfn, d.domid)) return false;
  put_allocation(host, mfn);
  put_page(host, mfn);
  return true;
}

long decrease(Host& host, Domain& caller, Domain& d, const xen_memory_reservation_t& r) {
  if (r.extent_order > max_order(caller) || !r.extent_start.p) return 0;
  uint64_t i = 0;
  for (; i < r.nr_extents; ++i)
    for (uint64_t n = 0; n < uint64_t{1} << r.extent_order; ++n)
      if (!remove_frame(host, d, mfn_t(r.extent_start.p[i] + n))) return static_cast<long>(i);
  return static_cast<long>(i);
}

long reservation(Host& host, Domain& caller, uint32_t command, void* arg) {
  if (!arg) return 0;
  const auto& r = *static_cast<xen_memory_reservation_t*>(arg);
  Domain* d = named_domain(host, caller, r.domid);
  if (!d || !may_adjust(caller, *d)) return 0;
  switch (command) {
    case XENMEM_increase_reservation:
      return increase(host, caller, *d, r);
    case XENMEM_decrease_reservation:
      return decrease(host, caller, *d, r);
    default:
      return populate(host, caller, *d, r);
  }
}

// A frame that only the domain's allocation holds can be taken away from it.
bool can_steal(Host& host, const Domain& d, mfn_t mfn) {
  if (!host.valid(mfn)) return false;
  const Frame& f = host.frame(mfn);
  return f.owner == d.domid && !f.special && f.allocated && f.count == 1;
}

// One chunk: the smallest number of frames that both sides have in whole extents.
struct Chunk {
  uint64_t first_in, first_out;  // extents
  uint64_t in, out;
};

int exchange_chunk(Host& host, Domain& d, xen_memory_exchange_t& e, const Chunk& c) {
  std::vector<mfn_t> stolen;
  const uint64_t in_size = uint64_t{1} << e.in.extent_order;
  const uint64_t out_size = uint64_t{1} << e.out.extent_order;
  for (uint64_t i = 0; i < c.in; ++i)
    for (uint64_t n = 0; n < in_size; ++n) {
      const mfn_t mfn(e.in.extent_start.p[c.first_in + i] + n);
      const bool again = std::find(stolen.begin(), stolen.end(), mfn) != stolen.end();
      if (again || !can_steal(host, d, mfn)) return -EINVAL;
      stolen.push_back(mfn);
    }
  // New frames come before the old ones go, so a full host cannot exchange; limits do not count
  // the moment when the domain has both.
  const uint64_t limit = d.max_pages;
  d.max_pages = ~uint64_t{0};
  std::vector<mfn_t> fresh;
  for (uint64_t i = 0; i < c.out; ++i) {
    const auto mfn = allocate_frames(host, d, e.out.extent_order);
    if (!mfn) break;
    fresh.push_back(*mfn);
  }
  d.max_pages = limit;
  if (fresh.size() != c.out) {
    for (const mfn_t first : fresh)
      for (uint64_t n = 0; n < out_size; ++n) put_allocation(host, first + n);
    return -ENOMEM;
  }
  for (const mfn_t mfn : stolen) put_allocation(host, mfn);
  for (uint64_t i = 0; i < c.out; ++i) {
    xen_pfn_t& slot = e.out.extent_start.p[c.first_out + i];
    for (uint64_t n = 0; n < out_size; ++n) host.m2p(fresh[i] + n) = slot + n;
    slot = fresh[i].raw();
  }
  return 0;
}

long exchange(Host& host, Domain& caller, void* arg) {
  if (!arg) return -EFAULT;
  auto& e = *static_cast<xen_memory_exchange_t*>(arg);
  const unsigned in_order = e.in.extent_order, out_order = e.out.extent_order;
  if (std::max(in_order, out_order) > max_order(caller)) return -EPERM;
  if (e.nr_exchanged > e.in.nr_extents || e.in.domid != e.out.domid ||
      (~0ul >> in_order) < e.in.nr_extents || (~0ul >> out_order) < e.out.nr_extents ||
      e.in.nr_extents << in_order != e.out.nr_extents << out_order)
    return -EINVAL;
  if (e.nr_exchanged == e.in.nr_extents) return 0;
  if (!e.in.extent_start.p || !e.out.extent_start.p) return -EFAULT;
  Domain* d = named_domain(host, caller, e.in.domid);
  if (!d) return -ESRCH;
  if (!may_adjust(caller, *d)) return -EPERM;
  Chunk c{};
  c.in = in_order <= out_order ? uint64_t{1} << (out_order - in_order) : 1;
  c.out = in_order <= out_order ? 1 : uint64_t{1} << (in_order - out_order);
  for (uint64_t i = e.nr_exchanged / c.in; i < e.in.nr_extents / c.in; ++i) {
    c.first_in = i * c.in;
    c.first_out = i * c.out;
    if (int rc = exchange_chunk(host, *d, e, c)) {
      e.nr_exchanged = c.first_in;
      return rc;
    }
  }
  e.nr_exchanged = e.in.nr_extents;
  return 0;
}

// The highest pfn the published p2m of a domain speaks of.
long maximum_gpfn(Host& host, const Domain& d) {
  if (!d.shared_info_mfn) return -1;
  const auto* shared = reinterpret_cast<shared_info_t*>(host.page(mfn_t(d.shared_info_mfn)));
  return shared->arch.max_pfn ? static_cast<long>(shared->arch.max_pfn) - 1 : 0;
}

long domain_figure(Host& host, Domain& caller, uint32_t command, void* arg) {
  if (!arg) return -EFAULT;
  Domain* d = named_domain(host, caller, *static_cast<uint16_t*>(arg));
  if (!d) return -ESRCH;
  if (!may_adjust(caller, *d)) return -EPERM;
  if (command == XENMEM_current_reservation) return static_cast<long>(d->tot_pages);
  if (command == XENMEM_maximum_reservation) return static_cast<long>(d->max_pages);
  return maximum_gpfn(host, *d);
}

long machphys_list(Host& host, void* arg) {
  if (!arg) return -EFAULT;
  auto& list = *static_cast<xen_machphys_mfn_list_t*>(arg);
  const uint64_t chunks = m2p_frames(host.state().max_page) / 512;
  const uint64_t count = std::min<uint64_t>(chunks, list.max_extents);
  for (uint64_t i = 0; i < count; ++i) list.extent_start.p[i] = host.state().m2p_mfn + i * 512;
  list.nr_extents = static_cast<unsigned>(count);
  return 0;
}

// A guest asks once in its life, and may meet larger hosts in it: it is told all that could be.
long machphys_mapping(Host& host, const Domain& caller, void* arg) {
  if (!arg) return -EFAULT;
  auto& mapping = *static_cast<xen_machphys_mapping_t*>(arg);
  mapping.v_start = 0xffff800000000000;
  mapping.v_end = 0xffff804000000000;
  mapping.max_mfn = caller.privileged ? host.state().max_page - 1
                                      : (mapping.v_end - mapping.v_start) / sizeof(uint64_t) - 1;
  return 0;
}

long claim(Host& host, Domain& caller, void* arg) {
  if (!arg) return -EFAULT;
  const auto& r = *static_cast<xen_memory_reservation_t*>(arg);
  if (!caller.privileged) return -EPERM;
  if (r.extent_start.p || r.extent_order || r.mem_flags) return -EINVAL;
  Domain* d = host.find_domain(r.domid);
  if (!d) return -EINVAL;
  if (r.nr_extents == 0) {
    host.state().claimed_pages -= d->outstanding;
    d->outstanding = 0;
    return 0;
  }
  if (d->outstanding || r.nr_extents <= d->tot_pages) return -EINVAL;
  if (r.nr_extents > d->max_pages) return -EINVAL;
  const uint64_t wanted = r.nr_extents - d->tot_pages;
  if (wanted > host.state().free_pages - host.state().claimed_pages) return -ENOMEM;
  d->outstanding = wanted;
  host.state().claimed_pages += wanted;
  return 0;
}

}  // namespace

long memory_op(Host& host, Domain& caller, uint32_t command, void* arg) {
  switch (command) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
      return reservation(host, caller, command, arg);
    case XENMEM_exchange:
      return exchange(host, caller, arg);
    case XENMEM_maximum_ram_page:
      return static_cast<long>(host.state().max_page);
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
      return domain_figure(host, caller, command, arg);
    case XENMEM_machphys_mfn_list:
      return machphys_list(host, arg);
    case XENMEM_machphys_compat_mfn_list:
      return -EOPNOTSUPP;  // Debian's Xen is built without guests of 32 bits
    case XENMEM_machphys_mapping:
      return machphys_mapping(host, caller, arg);
    case XENMEM_claim_pages:
      return claim(host, caller, arg);
    default:
      return -ENOSYS;
  }
}

}  // namespace ferry::sim
