// The life of a domain: creating, pausing, shutting down, resuming, log-dirty, TSC, policies.
#include <sys/mman.h>

#include "tests/conformance/xen.h"

namespace conformance {

namespace {

Outcome simple(Xen& xen, uint32_t cmd, uint32_t domid) {
  xen_domctl op{};
  return xen.domctl(cmd, domid, op);
}

void creating(Xen& xen) {
  using Change = void (*)(xen_domctl_createdomain&);
  const struct {
    const char* name;
    Change change;
  } cases[] = {
      {"no_vcpus", [](xen_domctl_createdomain& c) { c.max_vcpus = 0; }},
      {"unknown_flag", [](xen_domctl_createdomain& c) { c.flags = 1u << 30; }},
      {"hap_without_hvm", [](xen_domctl_createdomain& c) { c.flags = XEN_DOMCTL_CDF_hap; }},
      {"iommu", [](xen_domctl_createdomain& c) { c.flags = XEN_DOMCTL_CDF_iommu; }},
      {"grant_version_0", [](xen_domctl_createdomain& c) { c.grant_opts = 0; }},
      {"grant_version_3", [](xen_domctl_createdomain& c) { c.grant_opts = 3; }},
      {"no_grant_frames", [](xen_domctl_createdomain& c) { c.max_grant_frames = 0; }},
      {"emulation", [](xen_domctl_createdomain& c) { c.arch.emulation_flags = 1; }},
      {"misc_flag", [](xen_domctl_createdomain& c) { c.arch.misc_flags = 1u << 20; }},
      {"no_ports", [](xen_domctl_createdomain& c) { c.max_evtchn_port = 0; }},
      {"unknown_pool", [](xen_domctl_createdomain& c) { c.cpupool_id = 77; }},
  };
  for (const auto& c : cases) {
    xen_domctl op{};
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = 4;
    op.u.createdomain.grant_opts = 1;
    c.change(op.u.createdomain);
    const Outcome o = xen.domctl(XEN_DOMCTL_createdomain, 0, op);
    xen.report(std::string("create.") + c.name, o);
    if (!o.os_errno) simple(xen, XEN_DOMCTL_destroydomain, op.domain);
  }
  Scratch d(xen, 0);
  xen_domctl op{};
  op.u.createdomain.max_vcpus = 1;
  op.u.createdomain.grant_opts = 1;
  xen.report("create.taken_number", xen.domctl(XEN_DOMCTL_createdomain, d.id(), op));
}

void basics(Xen& xen) {
  Scratch d(xen, 4, 2);
  const auto info = d.info();
  xen.report("info.flags", info.flags);
  xen.report("info.tot_pages", info.tot_pages);
  xen.report("info.max_pages", info.max_pages);
  xen.report("info.online", info.nr_online_vcpus);
  xen.report("info.max_vcpu_id", info.max_vcpu_id);
  xen_domctl op{};
  op.u.max_vcpus.max = 3;
  xen.report("max_vcpus.other_number", xen.domctl(XEN_DOMCTL_max_vcpus, d.id(), op));
  op = {};
  op.u.max_vcpus.max = 2;
  xen.report("max_vcpus.again", xen.domctl(XEN_DOMCTL_max_vcpus, d.id(), op));
  Scratch none(xen, 0, 0);
  xen.report("info.without_vcpus.max_vcpu_id", none.info().max_vcpu_id);
  xen.report("info.without_vcpus.flags", none.info().flags);

  op = {};
  op.interface_version = XEN_DOMCTL_INTERFACE_VERSION + 1;
  xen.report("domctl.other_version", xen.domctl(XEN_DOMCTL_pausedomain, d.id(), op));
  xen.report("domctl.unknown_command", simple(xen, 9999, d.id()));
  xen.report("domctl.unknown_command_no_domain", simple(xen, 9999, 30000));
  for (const uint32_t cmd : {XEN_DOMCTL_destroydomain, XEN_DOMCTL_pausedomain,
                             XEN_DOMCTL_unpausedomain, XEN_DOMCTL_resumedomain, XEN_DOMCTL_max_mem,
                             XEN_DOMCTL_setvcpucontext, XEN_DOMCTL_getpageframeinfo3,
                             XEN_DOMCTL_shadow_op, XEN_DOMCTL_getdomaininfo, XEN_DOMCTL_gettscinfo})
    xen.report("no_domain." + std::to_string(cmd), simple(xen, cmd, 30000));
  xen.report("info.reserved_number", simple(xen, XEN_DOMCTL_getdomaininfo, DOMID_FIRST_RESERVED));
  xen.report("self.destroy", simple(xen, XEN_DOMCTL_destroydomain, 0));
  xen.report("self.pause", simple(xen, XEN_DOMCTL_pausedomain, 0));
  xen.report("self.resume", simple(xen, XEN_DOMCTL_resumedomain, 0));
  xen.report("self.get_context", simple(xen, XEN_DOMCTL_getvcpucontext, 0));
  xen.report("self.shadow", simple(xen, XEN_DOMCTL_shadow_op, 0));
}

void pausing(Xen& xen) {
  Scratch d(xen, 2, 0);
  xen.report("pause.unpause", simple(xen, XEN_DOMCTL_unpausedomain, d.id()));
  xen.report("pause.unpaused_flags", d.info().flags & XEN_DOMINF_paused);
  xen.report("pause.unpause_again", simple(xen, XEN_DOMCTL_unpausedomain, d.id()));
  unsigned good = 0;
  Outcome last{};
  for (unsigned i = 0; i < 300; ++i) {
    last = simple(xen, XEN_DOMCTL_pausedomain, d.id());
    good += last.os_errno == 0;
  }
  xen.report("pause.most", good);
  xen.report("pause.too_often", last);
}

void shutting_down(Xen& xen) {
  Scratch d(xen, 2);
  Shared<sched_remote_shutdown_t> arg(xen.calls(), 1);
  const auto shut = [&](const char* name, uint32_t domid, unsigned reason) {
    arg->domain_id = static_cast<domid_t>(domid);
    arg->reason = reason;
    const long rc =
        xencall2(xen.calls(), __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, arg.address());
    xen.report(name, Outcome{rc, rc < 0 ? errno : 0});
  };
  shut("shutdown.suspend", d.id(), SHUTDOWN_suspend);
  xen.report("shutdown.flags", d.info().flags >> 16 & 255);
  xen.report("shutdown.is_shutdown", d.info().flags & XEN_DOMINF_shutdown);
  shut("shutdown.again", d.id(), SHUTDOWN_crash);
  xen.report("shutdown.first_reason_stays", d.info().flags >> 16 & 255);
  shut("shutdown.no_such_domain", 30000, SHUTDOWN_suspend);
  xen.report("resume", simple(xen, XEN_DOMCTL_resumedomain, d.id()));
  xen.report("resume.is_shutdown", d.info().flags & XEN_DOMINF_shutdown);
  xen.report("resume.again", simple(xen, XEN_DOMCTL_resumedomain, d.id()));
  shut("shutdown.after_resume", d.id(), SHUTDOWN_poweroff);
  xen.report("shutdown.after_resume.reason", d.info().flags >> 16 & 255);
}

void sizes(Xen& xen) {
  Scratch d(xen, 2), empty(xen, 0);
  const auto size = [&](const char* name, uint32_t domid, uint32_t bits) {
    xen_domctl op{};
    op.u.address_size.size = bits;
    xen.report(name, xen.domctl(XEN_DOMCTL_set_address_size, domid, op));
  };
  size("address_size.64", d.id(), 64);
  size("address_size.16", d.id(), 16);
  size("address_size.32_empty", empty.id(), 32);
  xen_domctl op{};
  xen.report("address_size.get", xen.domctl(XEN_DOMCTL_get_address_size, d.id(), op));
  xen.report("address_size.get.bits", op.u.address_size.size);
}

void log_dirty(Xen& xen) {
  Scratch d(xen, 4), none(xen, 0, 0);
  Shared<uint64_t> bitmap(xen.calls(), 8);
  const auto shadow = [&](const char* name, uint32_t domid, uint32_t sub, uint32_t mode,
                          bool buffer) {
    xen_domctl op{};
    op.u.shadow_op.op = sub;
    op.u.shadow_op.mode = mode;
    if (buffer) {
      op.u.shadow_op.dirty_bitmap.p =
          reinterpret_cast<decltype(op.u.shadow_op.dirty_bitmap.p)>(bitmap.get());
      op.u.shadow_op.pages = 64;
    }
    xen.report(name, xen.domctl(XEN_DOMCTL_shadow_op, domid, op));
    if (buffer) xen.report(std::string(name) + ".pages", op.u.shadow_op.pages);
  };
  bitmap[0] = ~uint64_t{0};
  shadow("shadow.peek_when_off", d.id(), XEN_DOMCTL_SHADOW_OP_PEEK, 0, true);
  xen.report("shadow.peek_when_off.bits", bitmap[0]);
  shadow("shadow.clean_when_off", d.id(), XEN_DOMCTL_SHADOW_OP_CLEAN, 0, true);
  shadow("shadow.clean_final_when_off", d.id(), XEN_DOMCTL_SHADOW_OP_CLEAN, 1, true);
  shadow("shadow.clean_unknown_mode", d.id(), XEN_DOMCTL_SHADOW_OP_CLEAN, 2, true);
  shadow("shadow.peek_stats_only", d.id(), XEN_DOMCTL_SHADOW_OP_PEEK, 0, false);
  shadow("shadow.enable_log_dirty", d.id(), XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, 0, false);
  shadow("shadow.enable_mode_log_dirty", d.id(), XEN_DOMCTL_SHADOW_OP_ENABLE,
         XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY, false);
  shadow("shadow.off", d.id(), XEN_DOMCTL_SHADOW_OP_OFF, 0, false);
  shadow("shadow.unknown", d.id(), 99, 0, false);
  shadow("shadow.get_allocation", d.id(), XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, 0, false);
  shadow("shadow.without_vcpus", none.id(), XEN_DOMCTL_SHADOW_OP_PEEK, 0, false);
  xen_domctl op{};
  xen.report("pool.get", xen.domctl(XEN_DOMCTL_get_paging_mempool_size, d.id(), op));
  op = {};
  op.u.paging_mempool.size = 1 << 20;
  xen.report("pool.set", xen.domctl(XEN_DOMCTL_set_paging_mempool_size, d.id(), op));
}

void clocks(Xen& xen) {
  Scratch d(xen, 2);
  const auto set = [&](const char* name, uint32_t mode, uint32_t incarnation) {
    xen_domctl op{};
    op.u.tsc_info.tsc_mode = mode;
    op.u.tsc_info.incarnation = incarnation;
    xen.report(name, xen.domctl(XEN_DOMCTL_settscinfo, d.id(), op));
    xen_domctl got{};
    xen.domctl(XEN_DOMCTL_gettscinfo, d.id(), got);
    xen.report(std::string(name) + ".mode", got.u.tsc_info.tsc_mode);
    xen.report(std::string(name) + ".incarnation", got.u.tsc_info.incarnation);
    xen.report(std::string(name) + ".has_khz", got.u.tsc_info.gtsc_khz != 0);
  };
  set("tsc.default", 0, 3);
  set("tsc.always", 1, 7);
  set("tsc.never", 2, 0);
  set("tsc.unknown", 3, 9);
}

void dying(Xen& xen) {
  Scratch d(xen);
  d.chain();
  d.pin(4, 0);
  const uint32_t id = d.id();
  Mapped held(xen, id, {d.mfn(5)}, PROT_READ);
  xen.report("dying.destroy", simple(xen, XEN_DOMCTL_destroydomain, id));
  xen.report("dying.flags", d.info().flags & XEN_DOMINF_dying);
  xen.report("dying.tot_pages", d.info().tot_pages);
  xen.report("dying.destroy_again", simple(xen, XEN_DOMCTL_destroydomain, id));
  xen.report("dying.pin", d.pin(1, 5));
  std::vector<xen_pfn_t> pfns = {9};
  xen.report("dying.populate", xen.reservation(XENMEM_populate_physmap, id, pfns));
  xen.report("dying.shadow", simple(xen, XEN_DOMCTL_shadow_op, id));
  held.drop();
}

}  // namespace

void domain_cases(Xen& xen) {
  creating(xen);
  basics(xen);
  pausing(xen);
  shutting_down(xen);
  sizes(xen);
  log_dirty(xen);
  clocks(xen);
  dying(xen);
}

}  // namespace conformance
