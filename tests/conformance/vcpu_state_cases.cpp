// vCPU state beside the context: extended context, XSAVE, MSRs, information.
#include "tests/conformance/xen.h"

namespace conformance {

namespace {

constexpr uint64_t kOdd = 0x8000000000000000;

void extended(Xen& xen) {
  Scratch d(xen, 2);
  xen_domctl op{};
  xen.report("ext.get", xen.domctl(XEN_DOMCTL_get_ext_vcpucontext, d.id(), op));
  xen.report("ext.get.size", op.u.ext_vcpucontext.size);
  const auto good = op.u.ext_vcpucontext;
  xen.report("ext.set_same", xen.domctl(XEN_DOMCTL_set_ext_vcpucontext, d.id(), op));
  op.u.ext_vcpucontext = good;
  op.u.ext_vcpucontext.size = 31;
  xen.report("ext.size_31", xen.domctl(XEN_DOMCTL_set_ext_vcpucontext, d.id(), op));
  op.u.ext_vcpucontext = good;
  op.u.ext_vcpucontext.size = 32;
  xen.report("ext.size_32", xen.domctl(XEN_DOMCTL_set_ext_vcpucontext, d.id(), op));
  op.u.ext_vcpucontext = good;
  op.u.ext_vcpucontext.sysenter_callback_eip = kOdd;
  xen.report("ext.sysenter", xen.domctl(XEN_DOMCTL_set_ext_vcpucontext, d.id(), op));
  op.u.ext_vcpucontext = good;
  op.u.ext_vcpucontext.syscall32_callback_eip = kOdd;
  xen.report("ext.syscall32", xen.domctl(XEN_DOMCTL_set_ext_vcpucontext, d.id(), op));
  op.u.ext_vcpucontext = good;
  op.u.ext_vcpucontext.vmce.caps = ~uint64_t{0};
  xen.report("ext.mcg_caps", xen.domctl(XEN_DOMCTL_set_ext_vcpucontext, d.id(), op));
  op.u.ext_vcpucontext = good;
  op.u.ext_vcpucontext.vcpu = 1;
  xen.report("ext.set_no_such_vcpu", xen.domctl(XEN_DOMCTL_set_ext_vcpucontext, d.id(), op));
  xen.report("ext.get_no_such_vcpu", xen.domctl(XEN_DOMCTL_get_ext_vcpucontext, d.id(), op));
}

void xsave(Xen& xen) {
  Scratch d(xen, 2);
  xen_domctl op{};
  auto& state = op.u.vcpuextstate;
  state.vcpu = 1;
  xen.report("xsave.no_such_vcpu", xen.domctl(XEN_DOMCTL_getvcpuextstate, d.id(), op));
  op = {};
  xen.report("xsave.query", xen.domctl(XEN_DOMCTL_getvcpuextstate, d.id(), op));
  const uint64_t mask = state.xfeature_mask, size = state.size;
  xen.report("xsave.query.has_room", size > 16 + 512);
  Shared<uint64_t> buffer(xen.calls(), size / 8 + 1);
  const auto call = [&](const char* name, uint32_t cmd, uint64_t bytes, uint64_t features) {
    op = {};
    state.size = bytes;
    state.xfeature_mask = features;
    state.buffer.p = reinterpret_cast<decltype(state.buffer.p)>(buffer.get());
    xen.report(name, xen.domctl(cmd, d.id(), op));
  };
  call("xsave.get", XEN_DOMCTL_getvcpuextstate, size, mask);
  const uint64_t used = state.size;
  xen.report("xsave.get.used_fits", used <= size);
  call("xsave.get_other_mask", XEN_DOMCTL_getvcpuextstate, size, mask ^ 4);
  call("xsave.get_16_bytes", XEN_DOMCTL_getvcpuextstate, 16, mask);
  call("xsave.get", XEN_DOMCTL_getvcpuextstate, size, mask);
  call("xsave.set_same", XEN_DOMCTL_setvcpuextstate, used, mask);
  call("xsave.set_15_bytes", XEN_DOMCTL_setvcpuextstate, 15, mask);
  call("xsave.set_too_long", XEN_DOMCTL_setvcpuextstate, size + 1, mask);
  call("xsave.set_header_only", XEN_DOMCTL_setvcpuextstate, 16, mask);
  call("xsave.set_cut_off", XEN_DOMCTL_setvcpuextstate, used - 8, mask);
  buffer[0] = buffer[1] = 0;
  call("xsave.set_no_features_header_only", XEN_DOMCTL_setvcpuextstate, 16, mask);
  buffer[0] = 7;
  buffer[1] = 1;
  call("xsave.set_xcr0_beyond_accum", XEN_DOMCTL_setvcpuextstate, used, mask);
  buffer[0] = 1;
  buffer[1] = uint64_t{1} << 40 | 1;
  call("xsave.set_unknown_feature", XEN_DOMCTL_setvcpuextstate, used, mask);
}

void msrs(Xen& xen) {
  Scratch d(xen, 2);
  Shared<xen_domctl_vcpu_msr_t> list(xen.calls(), 32);
  xen_domctl op{};
  auto& msrs = op.u.vcpu_msrs;
  xen.report("msrs.query", xen.domctl(XEN_DOMCTL_get_vcpu_msrs, d.id(), op));
  xen.report("msrs.query.room", msrs.msr_count >= 7);
  msrs.msrs.p = list.get();
  xen.report("msrs.get", xen.domctl(XEN_DOMCTL_get_vcpu_msrs, d.id(), op));
  const auto set = [&](const std::string& name, uint32_t index, uint32_t reserved, uint64_t value) {
    list[0] = {0xc0000103, 0, 0};
    list[1] = {index, reserved, value};
    op = {};
    msrs.msr_count = 2;
    msrs.msrs.p = list.get();
    xen.report("msrs.set." + name, xen.domctl(XEN_DOMCTL_set_vcpu_msrs, d.id(), op));
    xen.report("msrs.set." + name + ".count", msrs.msr_count);
  };
  set("unknown", 0x1234, 0, 0);
  set("reserved", 0xc0000103, 1, 0);
  op = {};
  msrs.msr_count = 0;
  msrs.msrs.p = list.get();
  xen.report("msrs.set.none", xen.domctl(XEN_DOMCTL_set_vcpu_msrs, d.id(), op));
  op = {};
  msrs.msr_count = 1000;
  msrs.msrs.p = list.get();
  xen.report("msrs.set.too_many", xen.domctl(XEN_DOMCTL_set_vcpu_msrs, d.id(), op));
  op = {};
  msrs.vcpu = 1;
  xen.report("msrs.no_such_vcpu", xen.domctl(XEN_DOMCTL_get_vcpu_msrs, d.id(), op));
}

void info(Xen& xen) {
  Scratch d(xen, 4, 2);
  const auto get = [&](const std::string& name, unsigned vcpu) {
    xen_domctl op{};
    op.u.getvcpuinfo.vcpu = vcpu;
    xen.report(name, xen.domctl(XEN_DOMCTL_getvcpuinfo, d.id(), op));
    xen.report(name + ".online", op.u.getvcpuinfo.online);
    xen.report(name + ".running", op.u.getvcpuinfo.running);
  };
  get("vcpu_info.fresh", 0);
  vcpu_guest_context_t c = d.context(0);
  xen.report("vcpu_info.set_offline", d.set_context(c));
  get("vcpu_info.offline", 0);
  c.flags |= VGCF_online;
  xen.report("vcpu_info.set_online", d.set_context(c));
  get("vcpu_info.online", 0);
  xen.report("vcpu_info.nr_online", d.info().nr_online_vcpus);
  xen.report("vcpu_info.max_id", d.info().max_vcpu_id);
  xen_domctl op{};
  op.u.getvcpuinfo.vcpu = 2;
  xen.report("vcpu_info.no_such_vcpu", xen.domctl(XEN_DOMCTL_getvcpuinfo, d.id(), op));
}

}  // namespace

void vcpu_state_cases(Xen& xen) {
  extended(xen);
  xsave(xen);
  msrs(xen);
  info(xen);
}

}  // namespace conformance
