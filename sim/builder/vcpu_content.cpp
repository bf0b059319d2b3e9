// vCPUs of scratch guests.
#include "sim/builder/vcpu_content.h"

#include <cstring>
#include <optional>

#include "error/error.h"
#include "sim/machine/hypercall.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kFlatCode64 = 0x00affb000000ffff;  // present, DPL 3, long mode
constexpr uint64_t kFlatData = 0x00cff3000000ffff;    // present, DPL 3

uint64_t address(const void* p) {
  return reinterpret_cast<uint64_t>(p);
}

void must(Workshop& shop, Caller caller, unsigned op, uint64_t a1, uint64_t a2, uint64_t a3,
          const char* what) {
  const uint64_t args[5] = {a1, a2, a3, 0, 0};
  HostLock lock(shop.host());
  const long rc = hypercall_locked(shop.host(), caller, op, args);
  if (rc < 0)
    fail_errno(Errc::internal, static_cast<int>(-rc), fmt::format("scratch guest: {}", what));
}

void domctl(Workshop& shop, uint32_t cmd, xen_domctl& op, const char* what) {
  op.cmd = cmd;
  op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
  op.domain = shop.guest().domid;
  must(shop, {}, __HYPERVISOR_domctl, address(&op), 0, 0, what);
}

uint64_t kernel_address(Random& random) {
  return 0xffffffff80000000 | (random.next() & 0x3ffffff8);
}

void fill_registers(Workshop& shop, unsigned id, vcpu_guest_context_t& c) {
  Random& random = shop.random();
  auto& r = c.user_regs;
  for (auto* reg : {&r.r8, &r.r9, &r.r10, &r.r11, &r.r12, &r.r13, &r.r14, &r.r15, &r.rax, &r.rbx,
                    &r.rcx, &r.rdx, &r.rsi, &r.rdi, &r.rbp})
    *reg = random.next();
  r.rip = kernel_address(random);
  r.rsp = kernel_address(random);
  r.cs = 0xe033;
  r.ss = 0xe02b;
  r.eflags = 0x202;
  if (id == 0) {
    // In the suspend hypercall: its result, and the start_info frame as its third argument.
    r.rax = 0;
    r.rdx = shop.mfn(shop.guest().start_info);
  }
  for (unsigned vector = 0; vector < 20; ++vector)
    c.trap_ctxt[vector] = {static_cast<uint8_t>(vector), 0, 0xe033, kernel_address(random)};
  c.kernel_ss = 0xe02b;
  c.kernel_sp = kernel_address(random);
  c.event_callback_eip = kernel_address(random);
  c.failsafe_callback_eip = kernel_address(random);
  c.syscall_callback_eip = kernel_address(random);
  c.fs_base = random.next() >> 17;
  c.gs_base_kernel = kernel_address(random);
  c.gs_base_user = random.next() >> 17;
  c.ctrlreg[2] = random.next() >> 17;
  c.ctrlreg[4] = 0x2660;
  c.debugreg[6] = 0xffff0ff0;
  c.debugreg[7] = 0x400;
}

vcpu_guest_context_t make_context(Workshop& shop, unsigned id, const VcpuPages& pages,
                                  const std::vector<ProcessTables>& processes) {
  const ScratchGuest& g = shop.guest();
  Random& random = shop.random();
  vcpu_guest_context_t c{};
  fill_registers(shop, id, c);
  c.flags = VGCF_I387_VALID | VGCF_in_kernel | VGCF_online;
  for (char& byte : c.fpu_ctxt.x) byte = static_cast<char>(random.next());
  c.gdt_frames[0] = shop.mfn(pages.gdt);
  c.gdt_ents = 16 + random.below(497);
  uint64_t kernel = g.kernel_l4;
  std::optional<uint64_t> user;  // pfn 0 may be a table too
  if (!processes.empty() && random.chance(75)) {
    const ProcessTables& process = processes[random.below(processes.size())];
    kernel = process.kernel_l4;
    user = process.user_l4;
    if (id && random.chance(30)) c.flags &= ~static_cast<unsigned long>(VGCF_in_kernel);
  }
  c.ctrlreg[3] = shop.mfn(kernel) << kPageShift;
  c.ctrlreg[1] = user ? shop.mfn(*user) << kPageShift : 0;
  c.vm_assist = 1ul << VMASST_TYPE_writable_pagetables;
  if (g.spec.m2p_strict) c.vm_assist |= 1ul << VMASST_TYPE_m2p_strict;
  return c;
}

void set_extended_state(Workshop& shop, unsigned id) {
  Random& random = shop.random();
  xen_domctl op{};
  op.u.ext_vcpucontext.vcpu = id;
  op.u.ext_vcpucontext.size = sizeof op.u.ext_vcpucontext;
  op.u.ext_vcpucontext.syscall32_callback_eip = kernel_address(random);
  op.u.ext_vcpucontext.sysenter_callback_eip = kernel_address(random);
  op.u.ext_vcpucontext.syscall32_callback_cs = 0xe033;
  op.u.ext_vcpucontext.sysenter_callback_cs = 0xe033;
  domctl(shop, XEN_DOMCTL_set_ext_vcpucontext, op, "extended context");

  alignas(8) uint8_t area[16 + kXsaveBytes] = {};
  const uint64_t features = random.chance(70) ? 7 : 3;
  for (unsigned i = 16; i < 16 + 512; ++i) area[i] = static_cast<uint8_t>(random.next());
  memcpy(area, &features, 8);
  memcpy(area + 8, &features, 8);
  memcpy(area + 16 + 512, &features, 8);
  for (unsigned i = 16 + 576; features == 7 && i < sizeof area; ++i)
    area[i] = static_cast<uint8_t>(random.next());
  op = {};
  op.u.vcpuextstate.vcpu = id;
  op.u.vcpuextstate.size = features == 7 ? sizeof area : 16 + 576;
  op.u.vcpuextstate.buffer.p = reinterpret_cast<decltype(op.u.vcpuextstate.buffer.p)>(area);
  domctl(shop, XEN_DOMCTL_setvcpuextstate, op, "XSAVE state");

  if (random.chance(50)) return;
  xen_domctl_vcpu_msr_t msr{0xc0000103, 0, id + 1};  // TSC_AUX
  op = {};
  op.u.vcpu_msrs.vcpu = id;
  op.u.vcpu_msrs.msr_count = 1;
  op.u.vcpu_msrs.msrs.p = &msr;
  domctl(shop, XEN_DOMCTL_set_vcpu_msrs, op, "MSRs");
}

}  // namespace

std::vector<VcpuPages> take_vcpu_pages(Workshop& shop) {
  const GuestSpec& spec = shop.guest().spec;
  std::vector<VcpuPages> pages;
  for (unsigned id = 0; id < spec.vcpus; ++id) {
    VcpuPages p{shop.take(Role::gdt), ~uint64_t{0}};
    if (spec.placed_vcpu_info) p.vcpu_info = shop.take(Role::vcpu_info);
    uint64_t* descriptors = shop.words(p.gdt);
    descriptors[1] = kFlatCode64;
    descriptors[2] = kFlatData;
    for (unsigned i = 3; i < 3 + shop.random().below(10); ++i) descriptors[i] = kFlatData;
    pages.push_back(p);
  }
  return pages;
}

void load_vcpus(Workshop& shop, const std::vector<VcpuPages>& pages,
                const std::vector<ProcessTables>& processes) {
  const ScratchGuest& g = shop.guest();
  for (unsigned id = 0; id < g.spec.vcpus - g.spec.offline_vcpus; ++id) {
    vcpu_guest_context_t context = make_context(shop, id, pages[id], processes);
    xen_domctl op{};
    op.u.vcpucontext.vcpu = id;
    op.u.vcpucontext.ctxt.p = &context;
    domctl(shop, XEN_DOMCTL_setvcpucontext, op, "vCPU context");
    set_extended_state(shop, id);
    if (pages[id].vcpu_info == ~uint64_t{0}) continue;
    vcpu_register_vcpu_info_t info{};
    info.mfn = shop.mfn(pages[id].vcpu_info);
    info.offset = 64 * id;
    must(shop, {g.domid, id}, __HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, id, address(&info),
         "vcpu_info");
  }
}

}  // namespace ferry::sim
