// Event channels, grant tables, CPU policies and the M2P's own frames.
#include <sys/mman.h>

#include "tests/conformance/xen.h"

namespace conformance {

namespace {

template <typename T>
Outcome event_op(Xen& xen, int cmd, T& arg) {
  Shared<T> buffer(xen.calls(), 1);
  *buffer = arg;
  const long rc = xencall2(xen.calls(), __HYPERVISOR_event_channel_op, static_cast<uint64_t>(cmd),
                           buffer.address());
  const int os_errno = rc < 0 ? errno : 0;
  arg = *buffer;
  return {rc, os_errno};
}

void events(Xen& xen) {
  Scratch d(xen, 0);
  evtchn_alloc_unbound_t alloc{};
  alloc.dom = static_cast<domid_t>(d.id());
  xen.report("event.alloc", event_op(xen, EVTCHNOP_alloc_unbound, alloc));
  xen.report("event.alloc.port", alloc.port);
  evtchn_status_t status{};
  status.dom = static_cast<domid_t>(d.id());
  status.port = alloc.port;
  xen.report("event.status", event_op(xen, EVTCHNOP_status, status));
  xen.report("event.status.state", status.status);
  status.port = 5;
  xen.report("event.status_closed", event_op(xen, EVTCHNOP_status, status));
  xen.report("event.status_closed.state", status.status);
  status.port = 100000;
  xen.report("event.status_out_of_range", event_op(xen, EVTCHNOP_status, status));
  evtchn_alloc_unbound_t bad = alloc;
  bad.dom = 30000;
  xen.report("event.alloc_no_such_domain", event_op(xen, EVTCHNOP_alloc_unbound, bad));
  unsigned good = 1;
  Outcome last{};
  for (unsigned i = 0; i < 1100; ++i) {
    last = event_op(xen, EVTCHNOP_alloc_unbound, alloc);
    good += last.os_errno == 0;
    if (last.os_errno) break;
  }
  xen.report("event.most_ports", good);
  xen.report("event.too_many", last);
}

template <typename T>
Outcome grant_op(Xen& xen, unsigned cmd, T& arg) {
  Shared<T> buffer(xen.calls(), 1);
  *buffer = arg;
  const long rc = xencall3(xen.calls(), __HYPERVISOR_grant_table_op, cmd, buffer.address(), 1);
  const int os_errno = rc < 0 ? errno : 0;
  arg = *buffer;
  return {rc, os_errno};
}

void grants(Xen& xen) {
  Scratch d(xen, 2);
  gnttab_query_size_t size{};
  size.dom = static_cast<domid_t>(d.id());
  xen.report("grant.query", grant_op(xen, GNTTABOP_query_size, size));
  xen.report("grant.query.status", static_cast<uint64_t>(-size.status));
  xen.report("grant.query.frames", size.nr_frames);
  xen.report("grant.query.max", size.max_nr_frames);
  Shared<xen_pfn_t> list(xen.calls(), 16);
  const auto setup = [&](const char* name, uint32_t domid, uint32_t frames) {
    gnttab_setup_table_t op{};
    op.dom = static_cast<domid_t>(domid);
    op.nr_frames = frames;
    op.frame_list.p = list.get();
    xen.report(name, grant_op(xen, GNTTABOP_setup_table, op));
    xen.report(std::string(name) + ".status", static_cast<uint64_t>(-op.status));
  };
  setup("grant.setup_one", d.id(), 1);
  const uint64_t frame = list[0];
  xen.report("grant.frame_type", d.type_of_mfn(frame));
  {
    Mapped m(xen, d.id(), {frame}, PROT_READ | PROT_WRITE);
    xen.report("grant.map_frame", m.outcome());
  }
  setup("grant.setup_four", d.id(), 4);
  xen.report("grant.same_frame", list[0] == frame);
  setup("grant.setup_five", d.id(), 5);
  setup("grant.no_such_domain", 30000, 1);
}

void resources(Xen& xen) {
  Scratch d(xen, 2);
  const auto map = [&](const char* name, uint32_t domid, unsigned type, unsigned id,
                       unsigned long frame, unsigned long count) {
    void* p = nullptr;
    auto* r = xenforeignmemory_map_resource(xen.memory(), static_cast<domid_t>(domid), type, id,
                                            frame, count, &p, PROT_READ | PROT_WRITE, 0);
    xen.report(name, Outcome{r ? 0 : -1, r ? 0 : errno});
    if (r) xenforeignmemory_unmap_resource(xen.memory(), r);
  };
  map("resource.grant_table", d.id(), XENMEM_resource_grant_table,
      XENMEM_resource_grant_table_id_shared, 0, 1);
  map("resource.grant_table_last", d.id(), XENMEM_resource_grant_table,
      XENMEM_resource_grant_table_id_shared, 3, 1);
  map("resource.grant_table_beyond", d.id(), XENMEM_resource_grant_table,
      XENMEM_resource_grant_table_id_shared, 4, 1);
  map("resource.unknown_id", d.id(), XENMEM_resource_grant_table, 7, 0, 1);
  map("resource.unknown_type", d.id(), 99, 0, 0, 1);
  map("resource.no_such_domain", 30000, XENMEM_resource_grant_table,
      XENMEM_resource_grant_table_id_shared, 0, 1);
}

void policies(Xen& xen) {
  Scratch d(xen, 2, 0);
  Shared<xen_cpuid_leaf_t> leaves(xen.calls(), 256);
  Shared<xen_msr_entry_t> msrs(xen.calls(), 64);
  const auto get = [&](const char* name, uint32_t nr_leaves, uint32_t nr_msrs) {
    xen_domctl op{};
    op.u.cpu_policy.nr_leaves = nr_leaves;
    op.u.cpu_policy.nr_msrs = nr_msrs;
    op.u.cpu_policy.leaves.p = leaves.get();
    op.u.cpu_policy.msrs.p = msrs.get();
    xen.report(name, xen.domctl(XEN_DOMCTL_get_cpu_policy, d.id(), op));
    return op.u.cpu_policy;
  };
  const auto all = get("policy.get", 256, 64);
  xen.report("policy.msrs", all.nr_msrs);
  get("policy.get_one_leaf", 1, 64);
  get("policy.get_no_msrs", 256, 0);
  get("policy.get", 256, 64);
  const auto set = [&](const char* name, uint32_t nr_leaves, uint32_t nr_msrs) {
    xen_domctl op{};
    op.u.cpu_policy.nr_leaves = nr_leaves;
    op.u.cpu_policy.nr_msrs = nr_msrs;
    op.u.cpu_policy.leaves.p = leaves.get();
    op.u.cpu_policy.msrs.p = msrs.get();
    xen.report(name, xen.domctl(XEN_DOMCTL_set_cpu_policy, d.id(), op));
    return op.u.cpu_policy;
  };
  set("policy.set_same", all.nr_leaves, all.nr_msrs);
  const xen_cpuid_leaf_t kept = leaves[0];
  leaves[0] = {0x20000000, XEN_CPUID_NO_SUBLEAF, 0, 0, 0, 0};
  const auto bad = set("policy.unknown_leaf", 1, 0);
  xen.report("policy.unknown_leaf.names", bad.err_leaf);
  leaves[0] = kept;
  msrs[0] = {0x99999, 0, 0};
  const auto bad_msr = set("policy.unknown_msr", 0, 1);
  xen.report("policy.unknown_msr.names", bad_msr.err_msr);
  msrs[0] = {0xce, 1, 0};
  set("policy.msr_flags", 0, 1);
  xen_domctl op{};
  xen.domctl(XEN_DOMCTL_unpausedomain, d.id(), op);
  set("policy.after_unpause", 1, 0);
}

void m2p_frames(Xen& xen) {
  Shared<xen_pfn_t> list(xen.calls(), 2);
  xen_machphys_mfn_list_t op{};
  op.max_extents = 1;
  op.extent_start.p = list.get();
  xen.report("m2p_frames.one", xen.memory_op(XENMEM_machphys_mfn_list, &op, sizeof op));
  xen.report("m2p_frames.one.count", op.nr_extents);
  xen.report("m2p_frames.aligned", list[0] % 512);
  const uint64_t frame = list[0];
  {
    Mapped m(xen, DOMID_XEN, {frame}, PROT_READ);
    xen.report("m2p_frames.map_ro", m.outcome());
  }
  {
    Mapped m(xen, DOMID_XEN, {frame}, PROT_READ | PROT_WRITE);
    xen.report("m2p_frames.map_rw", m.outcome());
  }
  Scratch d(xen, 2);
  {
    Mapped m(xen, d.id(), {frame}, PROT_READ);
    xen.report("m2p_frames.named_domu", m.outcome());
  }
  op.max_extents = 0;
  op.extent_start.p = list.get();
  xen.report("m2p_frames.none", xen.memory_op(XENMEM_machphys_mfn_list, &op, sizeof op));
}

}  // namespace

void host_cases(Xen& xen) {
  events(xen);
  grants(xen);
  resources(xen);
  policies(xen);
  m2p_frames(xen);
}

}  // namespace conformance
