// sysctl and xen_version: what programs may ask about the host.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sim/machine/domains.h"
#include "sim/machine/domctl.h"
#include "sim/machine/release.h"
#include "sim/machine/vcpus.h"

namespace ferry::sim {

namespace {

void get_physinfo(Host& host, xen_sysctl_physinfo& info) {
  const HostState& s = host.state();
  memset(&info, 0, sizeof info);
  info.threads_per_core = 1;
  info.cores_per_socket = 2;
  info.nr_cpus = 2;
  info.max_cpu_id = 1;
  info.nr_nodes = 1;
  info.cpu_khz = s.cpu_khz;
  info.capabilities = XEN_SYSCTL_PHYSCAP_pv | (s.shadow_paging ? XEN_SYSCTL_PHYSCAP_shadow : 0u);
  info.total_pages = s.max_page;
  info.free_pages = s.free_pages;
  info.max_mfn = s.max_page - 1;
}

long get_info_list(Host& host, xen_sysctl_getdomaininfolist& op) {
  if (op.max_domains && !op.buffer.p) return -EFAULT;
  uint32_t count = 0;
  for (uint32_t from = op.first_domain; count < op.max_domains; ++count) {
    const Domain* d = next_domain(host, static_cast<DomainNumber>(from));
    if (!d) break;
    fill_info(*d, op.buffer.p[count]);
    from = d->domid + 1u;
  }
  op.num_domains = count;
  return 0;
}

long get_host_policy(xen_sysctl_cpu_policy& op) {
  // Every policy of this machine is the one that a new domain gets, but for what more one can have.
  CpuPolicy model;
  set_default_policy(model);
  if (op.index == XEN_SYSCTL_cpu_policy_pv_max) add_most_policy(model);
  xen_domctl_cpu_policy policy{};
  policy.nr_leaves = op.nr_leaves;
  policy.nr_msrs = op.nr_msrs;
  policy.leaves.p = op.leaves.p;
  policy.msrs.p = op.msrs.p;
  const int rc = get_policy(model, policy);
  op.nr_leaves = policy.nr_leaves;
  op.nr_msrs = policy.nr_msrs;
  return rc;
}

long put_string(void* arg, size_t room, const char* text) {
  if (!arg) return -EFAULT;
  const size_t length = std::min(strlen(text), room - 1);
  memset(arg, 0, room);
  memcpy(arg, text, length);
  return 0;
}

long get_features(xen_feature_info_t& info) {
  if (info.submap_idx != 0) {
    info.submap = 0;
    return 0;
  }
  info.submap = 1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_pae_pgdir_above_4gb |
                1u << XENFEAT_highmem_assist | 1u << XENFEAT_gnttab_map_avail_bits;
  return 0;
}

}  // namespace

long sysctl(Host& host, Domain& caller, xen_sysctl* op) {
  if (!op) return -EFAULT;
  if (op->interface_version != XEN_SYSCTL_INTERFACE_VERSION) return -EACCES;
  if (!caller.privileged) return -EPERM;
  switch (op->cmd) {
    case XEN_SYSCTL_physinfo:
      get_physinfo(host, op->u.physinfo);
      return 0;
    case XEN_SYSCTL_getdomaininfolist:
      return get_info_list(host, op->u.getdomaininfolist);
    case XEN_SYSCTL_get_cpu_policy:
      return get_host_policy(op->u.cpu_policy);
    default:
      return -ENOSYS;
  }
}

long xen_version(const Domain& caller, int command, void* arg) {
  switch (command) {
    case XENVER_version:
      return release().major << 16 | release().minor;
    case XENVER_extraversion:
      return put_string(arg, sizeof(xen_extraversion_t), release().extra_version);
    case XENVER_compile_info: {
      if (!arg) return -EFAULT;
      memset(arg, 0, sizeof(xen_compile_info_t));
      return 0;
    }
    case XENVER_capabilities:
      return put_string(arg, sizeof(xen_capabilities_info_t), "xen-3.0-x86_64 ");
    case XENVER_changeset:
      return put_string(arg, sizeof(xen_changeset_info_t), "simulated");
    case XENVER_platform_parameters: {
      if (!arg) return -EFAULT;
      static_cast<xen_platform_parameters_t*>(arg)->virt_start = 0xffff800000000000;
      return 0;
    }
    case XENVER_get_features:
      return arg ? get_features(*static_cast<xen_feature_info_t*>(arg)) : -EFAULT;
    case XENVER_pagesize:
      return kPageSize;
    case XENVER_guest_handle:
      if (!arg) return -EFAULT;
      memcpy(arg, caller.handle, sizeof caller.handle);
      return 0;
    case XENVER_commandline:
      return put_string(arg, sizeof(xen_commandline_t), "simulated");
    default:
      return -ENOSYS;
  }
}

}  // namespace ferry::sim
