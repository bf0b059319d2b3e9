// vCPU contexts: what Xen checks, what it holds on to, what may change later.
#include <sys/mman.h>

#include "tests/conformance/xen.h"

namespace conformance {

namespace {

constexpr uint64_t kTable = Scratch::kTable;
constexpr uint64_t kOdd = 0x8000000000000000;  // no canonical address

Outcome get_context(Xen& xen, uint32_t domid, unsigned vcpu, vcpu_guest_context_t* out = nullptr) {
  Shared<vcpu_guest_context_t> buffer(xen.calls(), 1);
  xen_domctl op{};
  op.u.vcpucontext.vcpu = vcpu;
  op.u.vcpucontext.ctxt.p = buffer.get();
  const Outcome o = xen.domctl(XEN_DOMCTL_getvcpucontext, domid, op);
  if (out) *out = *buffer;
  return o;
}

void plain(Xen& xen) {
  Scratch d(xen);
  d.chain();
  xen.report("context.get_before_set", get_context(xen, d.id(), 0));
  xen.report("context.get_no_such_vcpu", get_context(xen, d.id(), 1));
  xen.report("context.set_no_such_vcpu", d.set_context(d.context(0), 1));
  xen.report("context.set", d.set_context(d.context(0)));
  for (unsigned page = 0; page < 4; ++page)
    xen.report("context.set.type_l" + std::to_string(4 - page), d.type(page));
  vcpu_guest_context_t got{};
  xen.report("context.get", get_context(xen, d.id(), 0, &got));
  xen.report("context.get.flags", got.flags);
  xen.report("context.get.cr3_kept", got.ctrlreg[3] == d.mfn(0) << 12);
  xen.report("context.get.eflags", got.user_regs.eflags);
  xen.report("context.get.cs", got.user_regs.cs);
  xen.report("context.pin_loaded", d.pin(4, 0));
  xen.report("context.unpin_loaded", d.unpin(0));
  xen.report("context.loaded_type", d.type(0));
}

void not_canonical(Xen& xen) {
  using Change = void (*)(vcpu_guest_context_t&);
  struct Case {
    const char* name;
    Change change;
  };
  const Case cases[] = {
      {"rip", [](vcpu_guest_context_t& c) { c.user_regs.rip = kOdd; }},
      {"rsp", [](vcpu_guest_context_t& c) { c.user_regs.rsp = kOdd; }},
      {"kernel_sp", [](vcpu_guest_context_t& c) { c.kernel_sp = kOdd; }},
      {"fs_base", [](vcpu_guest_context_t& c) { c.fs_base = kOdd; }},
      {"gs_base_kernel", [](vcpu_guest_context_t& c) { c.gs_base_kernel = kOdd; }},
      {"gs_base_user", [](vcpu_guest_context_t& c) { c.gs_base_user = kOdd; }},
      {"event_callback", [](vcpu_guest_context_t& c) { c.event_callback_eip = kOdd; }},
      {"syscall_callback", [](vcpu_guest_context_t& c) { c.syscall_callback_eip = kOdd; }},
      {"failsafe_callback", [](vcpu_guest_context_t& c) { c.failsafe_callback_eip = kOdd; }},
      {"trap", [](vcpu_guest_context_t& c) { c.trap_ctxt[14].address = kOdd; }},
      {"trap_255", [](vcpu_guest_context_t& c) { c.trap_ctxt[255].address = kOdd; }},
      {"ldt_base_unused", [](vcpu_guest_context_t& c) { c.ldt_base = kOdd; }},
      {"ldt_base_used",
       [](vcpu_guest_context_t& c) {
         c.ldt_base = kOdd;
         c.ldt_ents = 1;
       }},
      {"ldt_base_of_xen",
       [](vcpu_guest_context_t& c) {
         c.ldt_base = 0xffff800000000000;
         c.ldt_ents = 1;
       }},
      {"ldt_unaligned",
       [](vcpu_guest_context_t& c) {
         c.ldt_base = 0x1008;
         c.ldt_ents = 1;
       }},
      {"ldt_8193",
       [](vcpu_guest_context_t& c) {
         c.ldt_base = 0x1000;
         c.ldt_ents = 8193;
       }},
      {"ldt_8192",
       [](vcpu_guest_context_t& c) {
         c.ldt_base = 0x1000;
         c.ldt_ents = 8192;
       }},
      {"vm_assist_unknown", [](vcpu_guest_context_t& c) { c.vm_assist = 1ul << 9; }},
      {"vm_assist_4gb", [](vcpu_guest_context_t& c) { c.vm_assist = 1; }},
      {"vm_assist_pae", [](vcpu_guest_context_t& c) { c.vm_assist = 8; }},
      {"vm_assist_known", [](vcpu_guest_context_t& c) { c.vm_assist = 1ul << 2 | 1ul << 5; }},
      {"user_mode_without_user_base",
       [](vcpu_guest_context_t& c) { c.flags &= ~static_cast<unsigned long>(VGCF_in_kernel); }},
  };
  for (const Case& c : cases) {
    Scratch d(xen, 4);
    vcpu_guest_context_t context = d.context(0);
    c.change(context);
    xen.report(std::string("context.") + c.name, d.set_context(context));
  }
}

void base_tables(Xen& xen) {
  {
    Scratch d(xen), other(xen);
    vcpu_guest_context_t c = d.context(0);
    c.ctrlreg[3] = other.mfn(0) << 12;
    xen.report("context.cr3_of_another", d.set_context(c));
    c.ctrlreg[3] = 0xffffffffeull << 12;
    xen.report("context.cr3_no_such_frame", d.set_context(c));
    c = d.context(0);
    c.ctrlreg[1] = other.mfn(0) << 12;
    xen.report("context.cr1_of_another", d.set_context(c));
  }
  {
    Scratch d(xen);
    d.write(0, {{1, d.to(1, kTable | 1 << 7)}});
    xen.report("context.cr3_bad_entry", d.set_context(d.context(0)));
    xen.report("context.cr3_bad_entry.get", get_context(xen, d.id(), 0));
    d.write(1);
    xen.report("context.cr3_good_after_bad", d.set_context(d.context(1)));
  }
  {
    Scratch d(xen);
    d.chain();
    d.write(3, {{0, d.to(2, kTable)}});
    xen.report("context.cr3_writable_table_below", d.set_context(d.context(0)));
  }
  {
    Scratch d(xen);
    Mapped writable(xen, d.id(), {d.mfn(0)}, PROT_READ | PROT_WRITE);
    xen.report("context.cr3_mapped_writable", d.set_context(d.context(0)));
  }
  {
    Scratch d(xen);
    xen.report("context.cr3_pinned_as_l3.pin", d.pin(3, 0));
    xen.report("context.cr3_pinned_as_l3", d.set_context(d.context(0)));
  }
  {
    Scratch d(xen);
    vcpu_guest_context_t c = d.context(0);
    c.ctrlreg[1] = d.mfn(1) << 12;
    c.flags &= ~static_cast<unsigned long>(VGCF_in_kernel);
    xen.report("context.user_mode", d.set_context(c));
    xen.report("context.user_mode.user_type", d.type(1));
    vcpu_guest_context_t got{};
    get_context(xen, d.id(), 0, &got);
    xen.report("context.user_mode.flags", got.flags);
    xen.report("context.user_mode.cr1_kept", got.ctrlreg[1] == d.mfn(1) << 12);
  }
  {
    Scratch d(xen);
    vcpu_guest_context_t c = d.context(0);
    c.ctrlreg[1] = d.mfn(0) << 12;
    xen.report("context.same_table_twice", d.set_context(c));
  }
}

void live(Xen& xen) {
  Scratch d(xen);
  vcpu_guest_context_t c = d.context(0);
  xen.report("context.live.first", d.set_context(c));
  xen.report("context.live.same", d.set_context(c));
  c.user_regs.rax = 1;
  c.flags |= VGCF_online;
  xen.report("context.live.registers", d.set_context(c));
  vcpu_guest_context_t got{};
  get_context(xen, d.id(), 0, &got);
  xen.report("context.live.rax", got.user_regs.rax);
  xen.report("context.live.flags", got.flags);
  vcpu_guest_context_t other = c;
  other.ctrlreg[3] = d.mfn(1) << 12;
  xen.report("context.live.cr3", d.set_context(other));
  other = c;
  other.ctrlreg[1] = d.mfn(1) << 12;
  xen.report("context.live.cr1", d.set_context(other));
  other = c;
  other.gdt_ents = 8;
  xen.report("context.live.gdt", d.set_context(other));
  other = c;
  other.ldt_ents = 8;
  xen.report("context.live.ldt", d.set_context(other));
  other = c;
  other.flags &= ~static_cast<unsigned long>(VGCF_in_kernel);
  xen.report("context.live.user_mode", d.set_context(other));
  xen_domctl op{};
  op.u.vcpucontext.vcpu = 0;
  xen.report("context.reset", xen.domctl(XEN_DOMCTL_setvcpucontext, d.id(), op));
  xen.report("context.reset.get", get_context(xen, d.id(), 0));
  xen.report("context.reset.type", d.type(0));
  xen.report("context.reset.set_other", d.set_context(d.context(1)));
}

void descriptors(Xen& xen) {
  {
    Scratch d(xen);
    d.write(1, {{1, 0x00affb000000ffff}, {2, 0x00cff3000000ffff}, {3, 0x00cf92000000ffff}});
    vcpu_guest_context_t c = d.context(0);
    c.gdt_ents = 512;
    c.gdt_frames[0] = d.mfn(1);
    xen.report("gdt.good", d.set_context(c));
    xen.report("gdt.type", d.type(1));
    xen.report("gdt.dpl_raised", d.read(1, 3));
    {
      Mapped m(xen, d.id(), {d.mfn(1)}, PROT_READ);
      xen.report("gdt.map_ro", m.outcome());
    }
    {
      Mapped m(xen, d.id(), {d.mfn(1)}, PROT_READ | PROT_WRITE);
      xen.report("gdt.map_rw", m.outcome());
    }
    xen.report("gdt.pin", d.pin(1, 1));
    xen.report("gdt.mmu_update", d.update(1, 5, 0));
    d.write(2, {{0, d.to(1, kTable)}});
    xen.report("gdt.l1_maps_it_writable", d.pin(1, 2));
    vcpu_guest_context_t got{};
    get_context(xen, d.id(), 0, &got);
    xen.report("gdt.get_ents", got.gdt_ents);
    xen.report("gdt.get_frame_kept", got.gdt_frames[0] == d.mfn(1));
  }
  const struct {
    const char* name;
    uint64_t descriptor;
  } cases[] = {
      {"tss", 0x0000890000000067},
      {"ldt", 0x0000820000000000},
      {"interrupt_gate", 0x00008e0000080000},
      {"call_gate_guest", 0x0000ec0000080000},
      {"call_gate_xen", 0x0000ec00e0080000},
      {"not_present_tss", 0x0000090000000067},
      {"type_0", 0x0000800000000000},
      {"call_gate_flat", 0x0000ec00e0330000},
  };
  for (const auto& one : cases) {
    Scratch d(xen, 4);
    d.write(1, {{4, one.descriptor}});
    vcpu_guest_context_t c = d.context(0);
    c.gdt_ents = 8;
    c.gdt_frames[0] = d.mfn(1);
    xen.report(std::string("gdt.") + one.name, d.set_context(c));
    xen.report(std::string("gdt.") + one.name + ".reads", d.read(1, 4));
  }
  {
    Scratch d(xen), other(xen);
    vcpu_guest_context_t c = d.context(0);
    c.gdt_ents = 7169;
    xen.report("gdt.too_many", d.set_context(c));
    c.gdt_ents = 8;
    c.gdt_frames[0] = other.mfn(0);
    xen.report("gdt.of_another", d.set_context(c));
    c.gdt_frames[0] = 0xffffffffe;
    xen.report("gdt.no_such_frame", d.set_context(c));
    c.gdt_frames[0] = d.mfn(0);
    xen.report("gdt.the_l4_itself", d.set_context(c));
    xen.report("gdt.the_l4_itself.type", d.type(0));
    xen.report("gdt.table.pin", d.pin(1, 2));
    c.gdt_frames[0] = d.mfn(2);
    xen.report("gdt.table", d.set_context(c));
    Mapped writable(xen, d.id(), {d.mfn(3)}, PROT_READ | PROT_WRITE);
    c.gdt_frames[0] = d.mfn(3);
    xen.report("gdt.mapped_writable", d.set_context(c));
    writable.drop();
    xen.report("gdt.after_unmapping", d.set_context(c));
  }
  {
    Scratch d(xen, 20);
    vcpu_guest_context_t c = d.context(0);
    c.gdt_ents = 7168;
    for (unsigned i = 0; i < 14; ++i) c.gdt_frames[i] = d.mfn(1 + i);
    xen.report("gdt.fourteen_frames", d.set_context(c));
    xen_domctl op{};
    xen.report("gdt.reset", xen.domctl(XEN_DOMCTL_setvcpucontext, d.id(), op));
    xen.report("gdt.reset.pin", d.pin(1, 1));
  }
}

}  // namespace

void context_cases(Xen& xen) {
  plain(xen);
  not_canonical(xen);
  base_tables(xen);
  live(xen);
  descriptors(xen);
}

}  // namespace conformance
