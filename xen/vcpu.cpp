// The state of one virtual CPU, in the four parts in which Xen gives and takes it.
#include "xen/vcpu.h"

#include <algorithm>

#include "xen/hypercall_buffer.h"

namespace ferry {
namespace {

std::vector<std::byte> copy_out(const void* from, size_t bytes) {
  const auto* first = static_cast<const std::byte*>(from);
  return {first, first + bytes};
}

void copy_in(const HypercallBuffer& buffer, std::span<const std::byte> blob) {
  std::copy(blob.begin(), blob.end(), buffer.as<std::byte>());
}

std::string of_vcpu(std::string_view doing, uint32_t vcpu) {
  return fmt::format("{} of vCPU {}", doing, vcpu);
}

}  // namespace

bool vcpu_online(const Hypervisor& xen, domid_t domid, uint32_t vcpu) {
  xc_vcpuinfo_t info = {};
  if (xc_vcpu_getinfo(xen.xch(), raw(domid), vcpu, &info) != 0)
    fail_xen(of_vcpu("tell the state", vcpu));
  return info.online;
}

VcpuContext get_vcpu_context(const Hypervisor& xen, domid_t domid, uint32_t vcpu) {
  vcpu_guest_context_any_t context = {};
  if (xc_vcpu_getcontext(xen.xch(), raw(domid), vcpu, &context) != 0)
    fail_xen(of_vcpu("read the registers", vcpu));
  return context.x64;
}

void set_vcpu_context(const Hypervisor& xen, domid_t domid, uint32_t vcpu, VcpuContext context) {
  vcpu_guest_context_any_t any = {};
  any.x64 = context;
  if (xc_vcpu_setcontext(xen.xch(), raw(domid), vcpu, &any) != 0)
    fail_xen(of_vcpu("accept the registers and page tables", vcpu));
}

std::vector<std::byte> get_vcpu_extended(const Hypervisor& xen, domid_t domid, uint32_t vcpu) {
  Domctl domctl(xen, domid, XEN_DOMCTL_get_ext_vcpucontext);
  auto& ext = domctl.op().u.ext_vcpucontext;
  ext.vcpu = vcpu;
  if (domctl.call() != 0) fail_xen(of_vcpu("read the extended context", vcpu));
  return copy_out(&ext, std::min<size_t>(ext.size, sizeof(domctl.op().u)));
}

void set_vcpu_extended(const Hypervisor& xen, domid_t domid, uint32_t vcpu,
                       std::span<const std::byte> blob) {
  if (blob.empty()) return;
  Domctl domctl(xen, domid, XEN_DOMCTL_set_ext_vcpucontext);
  std::copy_n(blob.begin(), std::min(blob.size(), sizeof(domctl.op().u)),
              reinterpret_cast<std::byte*>(&domctl.op().u.ext_vcpucontext));
  domctl.op().u.ext_vcpucontext.vcpu = vcpu;
  if (domctl.call() != 0) fail_xen(of_vcpu("accept the extended context", vcpu));
}

std::vector<std::byte> get_vcpu_xsave(const Hypervisor& xen, domid_t domid, uint32_t vcpu) {
  Domctl query(xen, domid, XEN_DOMCTL_getvcpuextstate);
  query.op().u.vcpuextstate.vcpu = vcpu;
  if (query.call() != 0) fail_xen(of_vcpu("size the XSAVE area", vcpu));
  const auto sized = query.op().u.vcpuextstate;
  if (sized.xfeature_mask == 0 || sized.size == 0) return {};

  HypercallBuffer area(xen, sized.size);
  Domctl read(xen, domid, XEN_DOMCTL_getvcpuextstate);
  auto& state = read.op().u.vcpuextstate;
  state.vcpu = vcpu;
  state.xfeature_mask = sized.xfeature_mask;
  state.size = sized.size;
  state.buffer.p = area.as<uint64_t>();
  if (read.call() != 0) fail_xen(of_vcpu("read the XSAVE area", vcpu));
  return copy_out(area.as<void>(), std::min<size_t>(state.size, sized.size));
}

void set_vcpu_xsave(const Hypervisor& xen, domid_t domid, uint32_t vcpu,
                    std::span<const std::byte> blob) {
  if (blob.empty()) return;
  HypercallBuffer area(xen, blob.size());
  copy_in(area, blob);
  Domctl domctl(xen, domid, XEN_DOMCTL_setvcpuextstate);
  auto& state = domctl.op().u.vcpuextstate;
  state.vcpu = vcpu;
  state.size = blob.size();
  state.buffer.p = area.as<uint64_t>();
  if (domctl.call() != 0)
    fail_xen(
        of_vcpu("accept the XSAVE area (does this CPU lack a feature of the source's?)", vcpu));
}

std::vector<std::byte> get_vcpu_msrs(const Hypervisor& xen, domid_t domid, uint32_t vcpu) {
  Domctl query(xen, domid, XEN_DOMCTL_get_vcpu_msrs);
  query.op().u.vcpu_msrs.vcpu = vcpu;
  if (query.call() != 0) fail_xen(of_vcpu("count the MSRs", vcpu));
  const uint32_t count = query.op().u.vcpu_msrs.msr_count;
  if (count == 0) return {};

  HypercallBuffer entries(xen, count * sizeof(xen_domctl_vcpu_msr_t));
  Domctl read(xen, domid, XEN_DOMCTL_get_vcpu_msrs);
  auto& msrs = read.op().u.vcpu_msrs;
  msrs.vcpu = vcpu;
  msrs.msr_count = count;
  msrs.msrs.p = entries.as<xen_domctl_vcpu_msr_t>();
  if (read.call() != 0) fail_xen(of_vcpu("read the MSRs", vcpu));
  return copy_out(entries.as<void>(),
                  std::min<size_t>(msrs.msr_count, count) * sizeof(xen_domctl_vcpu_msr_t));
}

void set_vcpu_msrs(const Hypervisor& xen, domid_t domid, uint32_t vcpu,
                   std::span<const std::byte> blob) {
  if (blob.empty()) return;
  HypercallBuffer entries(xen, blob.size());
  copy_in(entries, blob);
  Domctl domctl(xen, domid, XEN_DOMCTL_set_vcpu_msrs);
  auto& msrs = domctl.op().u.vcpu_msrs;
  msrs.vcpu = vcpu;
  msrs.msr_count = static_cast<uint32_t>(blob.size() / sizeof(xen_domctl_vcpu_msr_t));
  msrs.msrs.p = entries.as<xen_domctl_vcpu_msr_t>();
  if (domctl.call() != 0) fail_xen(of_vcpu("accept the MSRs", vcpu));
}

}  // namespace ferry
