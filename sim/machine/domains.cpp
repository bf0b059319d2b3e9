// The life of a domain.
#include "sim/machine/domains.h"

#include <cerrno>
#include <cstring>

#include "sim/machine/event_channels.h"
#include "sim/machine/grants.h"
#include "sim/machine/log_dirty.h"
#include "sim/machine/page_types.h"
#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

constexpr uint32_t kMaxPauseCount = 255;

// What a guest that is resumed has had of a CPU before anybody can suspend it again.
constexpr uint64_t kRunsAtLeastNs = 20'000'000;

Domain* free_slot(Host& host, DomainNumber domid) {
  HostState& s = host.state();
  for (unsigned slot = 0; slot < kMaxDomains; ++slot) {
    if (s.domids[slot] != kNoDomain) continue;
    Domain& d = s.domains[slot];
    if (s.slot_used[slot]) memset(static_cast<void*>(&d), 0, sizeof d);
    s.slot_used[slot] = 1;
    s.domids[slot] = domid;
    d.domid = domid;
    d.shutdown_code = kNotShutDown;
    return &d;
  }
  return nullptr;
}

void give_back(Host& host, Domain& d) {
  HostState& s = host.state();
  s.domids[&d - s.domains] = kNoDomain;
}

// The first number after the last one given out that nobody has.
int next_domid(Host& host, DomainNumber& domid) {
  HostState& s = host.state();
  for (uint32_t tries = 0; tries < DOMID_FIRST_RESERVED; ++tries) {
    s.last_domid = s.last_domid + 1u >= DOMID_FIRST_RESERVED
                       ? DomainNumber{1}
                       : static_cast<DomainNumber>(s.last_domid + 1);
    if (host.find_domain(s.last_domid)) continue;
    domid = s.last_domid;
    return 0;
  }
  return -ENOMEM;
}

// Every frame that still counts as the domain's.
template <typename Visit>
void for_each_frame_of(Host& host, DomainNumber domid, Visit visit) {
  const uint64_t frames = host.state().max_page;
  const uint64_t* free = host.free_bitmap();
  for (uint64_t n = 0; n < frames; ++n) {
    if (n % 64 == 0 && free[n / 64] == ~uint64_t{0}) {
      n += 63;
      continue;
    }
    const mfn_t mfn(n);
    if (host.frame(mfn).owner == domid && host.frame(mfn).count != 0) visit(mfn);
  }
}

void relinquish_memory(Host& host, Domain& d) {
  for_each_frame_of(host, d.domid, [&](mfn_t mfn) {
    Frame& f = host.frame(mfn);
    if (!f.pinned) return;
    f.pinned = 0;
    put_page_and_type(host, mfn);
  });
  for_each_frame_of(host, d.domid, [&](mfn_t mfn) { put_allocation(host, mfn); });
  // Tables that hold each other through linear entries never reach zero by themselves.
  for (unsigned level = 4; level >= 1; --level) {
    for_each_frame_of(host, d.domid, [&](mfn_t mfn) {
      if (host.frame(mfn).type != table_type(level) || !host.frame(mfn).validated) return;
      ++host.frame(mfn).count;  // keeps the frame while its own entries go
      force_demote(host, mfn);
      put_page(host, mfn);
    });
  }
}

uint32_t grant_frames(const xen_domctl_createdomain& config) {
  return config.max_grant_frames < 0 ? kMaxGrantFrames
                                     : static_cast<uint32_t>(config.max_grant_frames);
}

// This machine has PV guests only, and a PV guest can ask for nothing that HVM needs.
int check_config(const xen_domctl_createdomain& config) {
  const uint32_t version = XEN_DOMCTL_GRANT_version(config.grant_opts);
  if ((config.flags & ~uint32_t{XEN_DOMCTL_CDF_s3_integrity | XEN_DOMCTL_CDF_xs_domain}) ||
      config.max_vcpus < 1 || config.max_vcpus > kMaxVcpus || version < 1 || version > 2 ||
      (config.arch.misc_flags & ~uint32_t{XEN_X86_MSR_RELAXED}) ||
      grant_frames(config) > kMaxGrantFrames)
    return -EINVAL;
  if (config.cpupool_id != 0) return -ESRCH;
  return config.arch.emulation_flags ? -EOPNOTSUPP : 0;
}

}  // namespace

void set_up_domain0(Host& host) {
  Domain* d = free_slot(host, 0);
  d->privileged = 1;
  d->creation_finished = 1;
  d->max_vcpus = 1;
  d->max_port = kMaxPorts - 1;
  d->vcpus[0].exists = 1;
  d->vcpus[0].initialised = 1;
  d->vcpus[0].kernel_mode = 1;
}

int create_domain(Host& host, DomainNumber& domid, const xen_domctl_createdomain& config) {
  if (domid > 0 && domid < DOMID_FIRST_RESERVED) {
    if (host.find_domain(domid)) return -EEXIST;
  } else if (int rc = next_domid(host, domid)) {
    return rc;
  }
  if (int rc = check_config(config)) return rc;

  Domain* d = free_slot(host, domid);
  if (!d) return -ENOMEM;
  memcpy(d->handle, config.handle, sizeof d->handle);
  d->ssidref = config.ssidref;
  d->flags = config.flags;
  d->arch_config = config.arch;
  d->max_vcpus = config.max_vcpus;
  d->pause_count = 1;
  d->max_port = config.max_evtchn_port < kMaxPorts ? config.max_evtchn_port : kMaxPorts - 1;
  d->grants.max_frames = grant_frames(config);
  d->grants.version = 1;
  d->tsc_khz = host.state().cpu_khz;
  d->max_pages = 0xffffffff;
  const auto shared_info = allocate_special(host, *d);
  if (!shared_info) {
    give_back(host, *d);
    return -ENOMEM;
  }
  d->shared_info_mfn = shared_info->raw();
  if (int rc = set_up_grant_table(host, *d)) {
    put_allocation(host, *shared_info);
    give_back(host, *d);
    return rc;
  }
  set_default_policy(d->policy);
  return 0;
}

int create_vcpus(Domain& d, uint32_t max) {
  if (max != d.max_vcpus) return -EINVAL;
  for (uint32_t id = 0; id < max; ++id) set_up_vcpu(d.vcpus[id]);
  return 0;
}

int pause_domain(Domain& d) {
  if (d.pause_count >= kMaxPauseCount) return -EOVERFLOW;
  ++d.pause_count;
  return 0;
}

int unpause_domain(Domain& d) {
  if (d.pause_count == 0) return -EINVAL;
  if (--d.pause_count == 0) d.creation_finished = 1;
  return 0;
}

int kill_domain(Host& host, Domain& d) {
  if (d.domid == 0) return -EINVAL;
  if (d.dying == 2) return 0;
  d.dying = 1;
  host.state().claimed_pages -= d.outstanding;
  d.outstanding = 0;
  forget_dirty_log(host, d);
  close_all_ports(host, d);
  release_grants(host, d);
  for (uint32_t id = 0; id < d.max_vcpus; ++id) release_vcpu(host, d.vcpus[id]);
  relinquish_memory(host, d);
  d.dying = 2;
  raise_domain_exception(host);
  reap_if_dead(host, d);
  return 0;
}

void shut_down(Host& host, Domain& d, uint8_t reason) {
  if (d.shutdown) return;
  d.shutdown = 1;
  d.shutdown_code = reason;
  if (d.suspend_port) send_to_domain0(host, d.suspend_port);
  raise_domain_exception(host);
}

void resume_domain(Domain& d) {
  d.cpu_time_ns += kRunsAtLeastNs;
  d.shutdown = 0;
  d.shutdown_code = kNotShutDown;
}

void reap_if_dead(Host& host, Domain& d) {
  if (d.dying == 2 && d.tot_pages == 0 && d.special_pages == 0) give_back(host, d);
}

void fill_info(const Domain& d, xen_domctl_getdomaininfo& info) {
  memset(&info, 0, sizeof info);
  info.domain = d.domid;
  info.cpu_time = d.cpu_time_ns;
  info.nr_online_vcpus = 0;
  info.max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
  bool blocked = true, running = false;
  for (uint32_t id = 0; id < d.max_vcpus; ++id) {
    const Vcpu& v = d.vcpus[id];
    if (!v.exists) continue;
    info.max_vcpu_id = id;
    if (v.down) continue;
    ++info.nr_online_vcpus;
    blocked = blocked && v.blocked;
    running = running || (!v.blocked && runnable(d));
  }
  info.flags = (blocked && info.nr_online_vcpus ? XEN_DOMINF_blocked : 0u) |
               (running ? XEN_DOMINF_running : 0u) | (d.dying == 2 ? XEN_DOMINF_dying : 0u) |
               (d.shutdown ? XEN_DOMINF_shutdown : 0u) | (d.pause_count ? XEN_DOMINF_paused : 0u) |
               (d.debugging ? XEN_DOMINF_debugged : 0u) |
               d.shutdown_code << XEN_DOMINF_shutdownshift;
  info.tot_pages = d.tot_pages;
  info.max_pages = d.max_pages;
  info.outstanding_pages = d.outstanding;
  info.shared_info_frame = d.domid == 0 ? ~uint64_t{0} : d.shared_info_mfn;
  info.ssidref = d.ssidref;
  memcpy(info.handle, d.handle, sizeof info.handle);
  info.gpaddr_bits = 46;
  info.arch_config = d.arch_config;
}

Domain* next_domain(Host& host, DomainNumber from) {
  Domain* best = nullptr;
  for (unsigned slot = 0; slot < kMaxDomains; ++slot) {
    const DomainNumber domid = host.state().domids[slot];
    if (domid == kNoDomain || domid < from) continue;
    if (!best || domid < best->domid) best = &host.state().domains[slot];
  }
  return best;
}

bool runnable(const Domain& d) {
  return d.pause_count == 0 && !d.shutdown && !d.dying;
}

}  // namespace ferry::sim
