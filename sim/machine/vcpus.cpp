// Contexts of vCPUs.
#include "sim/machine/vcpus.h"

#include <cerrno>
#include <cstring>

#include "sim/machine/page_types.h"
#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kFlagsIopl = 0x3000, kFlagsIf = 0x200;
constexpr uint64_t kCr0Ts = 8;
constexpr uint64_t kHostCr0 = 0x8005003b & ~kCr0Ts;
constexpr uint64_t kVmAssistKnown =
    1ul << VMASST_TYPE_4gb_segments | 1ul << VMASST_TYPE_4gb_segments_notify |
    1ul << VMASST_TYPE_writable_pagetables | 1ul << VMASST_TYPE_pae_extended_cr3 |
    1ul << VMASST_TYPE_architectural_iopl | 1ul << VMASST_TYPE_runstate_update_flag |
    1ul << VMASST_TYPE_m2p_strict;
void raise_rpl(uint16_t& selector) {
  selector |= 3;
}

bool addresses_canonical(const vcpu_guest_context_t& c) {
  for (const uint64_t address :
       {c.user_regs.rip, c.user_regs.rsp, c.kernel_sp, c.ldt_ents ? c.ldt_base : 0, c.fs_base,
        c.gs_base_kernel, c.gs_base_user, c.event_callback_eip, c.syscall_callback_eip,
        c.failsafe_callback_eip})
    if (!is_canonical(address)) return false;
  for (const trap_info_t& trap : c.trap_ctxt)
    if (!is_canonical(trap.address)) return false;
  return is_guest_address(c.ldt_base);
}

// On a live vCPU nothing that holds references may change.
bool same_tables(const Vcpu& v, const vcpu_guest_context_t& c) {
  if (v.guest_table << kPageShift != c.ctrlreg[3]) return false;
  if (v.guest_table_user == 0) {
    if (c.ctrlreg[1] || !(c.flags & VGCF_in_kernel)) return false;
  } else if (v.guest_table_user << kPageShift != c.ctrlreg[1]) {
    return false;
  }
  if (v.gdt_entries != c.gdt_ents || v.context.ldt_ents != c.ldt_ents) return false;
  for (uint32_t i = 0; i < (c.gdt_ents + 511) / 512; ++i)
    if (v.gdt_frames[i] != c.gdt_frames[i]) return false;
  return c.ldt_ents == 0 || v.context.ldt_base == c.ldt_base;
}

void set_fpu(Vcpu& v, const vcpu_guest_context_t& c) {
  v.fpu_initialised = (c.flags & VGCF_I387_VALID) != 0;
  memset(v.xsave, 0, 512);
  if (v.fpu_initialised) {
    memcpy(v.xsave, &c.fpu_ctxt, 512);
  } else {
    v.xsave[0] = 0x7f;  // FCW 0x037f, MXCSR 0x1f80: the state after reset
    v.xsave[1] = 0x03;
    v.xsave[24] = 0x80;
    v.xsave[25] = 0x1f;
  }
  v.xsave[512] |= 3;  // x87 and SSE are present in the header's bitmap
}

// cr3 and, when given, the user base: both become L4s of this vCPU, or neither.
int load_tables(Host& host, const Domain& d, Vcpu& v, const vcpu_guest_context_t& c) {
  const mfn_t kernel(c.ctrlreg[3] >> kPageShift);
  if (int rc = get_page_and_type(host, kernel, d.domid, PageType::l4)) return rc;
  if (c.ctrlreg[1]) {
    const mfn_t user(c.ctrlreg[1] >> kPageShift);
    if (int rc = get_page_and_type(host, user, d.domid, PageType::l4)) {
      put_page_and_type(host, kernel);
      return rc;
    }
    if (hides_m2p(d)) show_m2p(host, user, false);
    v.guest_table_user = user.raw();
  }
  if (!hides_m2p(d)) show_m2p(host, kernel, true);
  v.guest_table = kernel.raw();
  return 0;
}

}  // namespace

void set_up_vcpu(Vcpu& v) {
  if (v.exists) return;
  memset(static_cast<void*>(&v), 0, sizeof v);
  v.exists = 1;
  v.down = 1;
  v.kernel_mode = 1;
  v.ext.size = sizeof v.ext;
  vcpu_guest_context_t none{};
  set_fpu(v, none);
}

void release_vcpu(Host& host, Vcpu& v) {
  if (v.guest_table) put_page_and_type(host, mfn_t(v.guest_table));
  if (v.guest_table_user) put_page_and_type(host, mfn_t(v.guest_table_user));
  v.guest_table = v.guest_table_user = 0;
  drop_gdt(host, v);
  if (v.vcpu_info_mfn) put_page_and_type(host, mfn_t(v.vcpu_info_mfn));
  v.vcpu_info_mfn = 0;
  v.vcpu_info_offset = 0;
}

void drop_gdt(Host& host, Vcpu& v) {
  for (uint64_t& frame : v.gdt_frames) {
    if (frame) put_page_and_type(host, mfn_t(frame));
    frame = 0;
  }
  v.gdt_entries = 0;
}

int set_gdt(Host& host, Domain& d, Vcpu& v, const uint64_t* frames, uint32_t entries) {
  if (entries > FIRST_RESERVED_GDT_ENTRY) return -EINVAL;
  const uint32_t count = (entries + 511) / 512;
  for (uint32_t i = 0; i < count; ++i) {
    if (get_page_and_type(host, mfn_t(frames[i]), d.domid, PageType::seg_desc) == 0) continue;
    while (i-- > 0) put_page_and_type(host, mfn_t(frames[i]));
    return -EINVAL;
  }
  drop_gdt(host, v);
  for (uint32_t i = 0; i < count; ++i) v.gdt_frames[i] = frames[i];
  v.gdt_entries = entries;
  return 0;
}

int set_vcpu_context(Host& host, Domain& d, uint32_t id, const vcpu_guest_context_t& given) {
  if (id >= d.max_vcpus || !d.vcpus[id].exists) return -EINVAL;
  Vcpu& v = d.vcpus[id];
  vcpu_guest_context_t c = given;
  if (!addresses_canonical(c)) return -EINVAL;
  if ((c.ldt_base & (kPageSize - 1)) || c.ldt_ents > 8192) return -EINVAL;
  if (id == 0 && (c.vm_assist & ~kVmAssistKnown)) return -EINVAL;
  if ((c.gdt_ents + 511) / 512 > kGdtFrames) return -EINVAL;
  if (!v.initialised) {
    if (!(c.flags & VGCF_in_kernel) && !c.ctrlreg[1]) return -EINVAL;
  } else if (!same_tables(v, c)) {
    return -EOPNOTSUPP;
  }

  uint16_t cs = c.user_regs.cs, ss = c.user_regs.ss;
  raise_rpl(cs);
  raise_rpl(ss);
  c.user_regs.cs = cs;
  c.user_regs.ss = ss;
  c.kernel_ss |= 3;
  for (trap_info_t& trap : c.trap_ctxt) raise_rpl(trap.cs);
  c.user_regs.eflags |= kFlagsIf;
  c.ctrlreg[0] = (c.ctrlreg[0] & kCr0Ts) | kHostCr0;
  set_fpu(v, c);
  v.kernel_mode = (c.flags & VGCF_in_kernel) != 0;
  if (!c.ldt_ents) c.ldt_base = 0;
  v.context = c;
  if (!v.initialised) {
    if (id == 0) d.vm_assist = c.vm_assist;
    uint64_t frames[kGdtFrames];
    for (unsigned i = 0; i < kGdtFrames; ++i) frames[i] = c.gdt_frames[i];
    if (int rc = set_gdt(host, d, v, frames, static_cast<uint32_t>(c.gdt_ents))) return rc;
    if (int rc = load_tables(host, d, v, c)) {
      drop_gdt(host, v);
      return rc;
    }
    v.initialised = 1;
  }
  v.down = !(c.flags & VGCF_online);
  return 0;
}

int get_vcpu_context(const Domain& d, uint32_t id, vcpu_guest_context_t& c) {
  if (id >= d.max_vcpus || !d.vcpus[id].exists) return -EINVAL;
  const Vcpu& v = d.vcpus[id];
  if (!v.initialised) return -ENODATA;
  c = v.context;
  memcpy(&c.fpu_ctxt, v.xsave, 512);
  c.flags &= ~static_cast<unsigned long>(VGCF_I387_VALID | VGCF_in_kernel | VGCF_online);
  if (v.fpu_initialised) c.flags |= VGCF_I387_VALID;
  if (!v.down) c.flags |= VGCF_online;
  if (v.kernel_mode) c.flags |= VGCF_in_kernel;
  for (unsigned i = 0; i < 16; ++i) c.gdt_frames[i] = i < kGdtFrames ? v.gdt_frames[i] : 0;
  c.gdt_ents = v.gdt_entries;
  c.ctrlreg[3] = v.guest_table << kPageShift;
  c.ctrlreg[1] = v.guest_table_user << kPageShift;
  c.vm_assist = d.vm_assist;
  return 0;
}

int reset_vcpu(Host& host, Domain& d, uint32_t id) {
  if (id >= d.max_vcpus || !d.vcpus[id].exists) return -EINVAL;
  Vcpu& v = d.vcpus[id];
  const uint64_t info = v.vcpu_info_mfn;  // registered for the domain's life
  const uint32_t offset = v.vcpu_info_offset;
  v.vcpu_info_mfn = 0;
  release_vcpu(host, v);
  v.vcpu_info_mfn = info;
  v.vcpu_info_offset = offset;
  v.initialised = 0;
  v.fpu_initialised = 0;
  v.blocked = 0;
  v.down = 1;
  return 0;
}

}  // namespace ferry::sim
