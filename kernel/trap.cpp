// What Xen calls, and what is done about it in kernel mode. In user mode a trap ends run_user().
#include "kernel/trap.h"

#include "guest/xen_guest.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/events.h"
#include "kernel/hypercall.h"
#include "kernel/xen_abi.h"
#include "kernel/xen_half.h"

extern "C" {
// start.S: the first instruction of each exception's entry, and of the others.
extern const uint64_t trap_entries[32];
extern char enter_event[], enter_system_call[], enter_failsafe[];
// Pairs: an instruction that may fault, and where to go on, with 1 in rax.
extern const uint64_t fixups[][2], fixups_end[][2];
}

namespace ferry::kernel {
namespace {

// With events off on entry, because the kernel never has them on.
constexpr uint8_t kMaskEvents = 4;
constexpr unsigned kBreakpoint = 3;

constexpr uint16_t selector(uint64_t value) {
  return static_cast<uint16_t>(value);
}
trap_info table_entry(unsigned vector) {
  const uint8_t user = vector == kBreakpoint ? 3 : 0;  // from what ring a program may ask for it
  return {static_cast<uint8_t>(vector), static_cast<uint8_t>(kMaskEvents | user),
          selector(kCodeSelector), trap_entries[vector]};
}

void register_callback(uint16_t type, const char* entry) {
  callback_register callback{};
  callback.type = type;
  callback.flags = CALLBACKF_mask_events;
  callback.address = address(entry);
  if (hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, address(&callback)) != 0)
    bug("Xen does not take an entry of the kernel's");
}

bool fix_up(trap_frame& frame) {
  for (const auto* fixup = fixups; fixup != fixups_end; ++fixup)
    if ((*fixup)[0] == frame.rip) {
      frame.rip = (*fixup)[1];
      frame.rax = 1;
      return true;
    }
  return false;
}

// Another vCPU has made a page writable again, and this one had not heard.
bool was_old_translation(const trap_frame& frame, uint64_t fault) {
  const auto& half = current_guest();
  if (frame.vector != kPageFault || !half.machine.in_direct_map(fault)) return false;
  const uint64_t entry = half.core.map.l1_entry(fault);
  return (entry & kPtePresent) != 0 && ((frame.error & kFaultWrite) == 0 || (entry & kPteRw) != 0);
}

}  // namespace

bool load_or_fault(uint64_t va, uint64_t& value) {
  uint64_t failed = 0, loaded = 0;
  asm volatile(
      "1: mov (%[from]), %[to]\n2:\n"
      ".pushsection .fixups, \"a\"\n.quad 1b, 2b\n.popsection"
      : [to] "+r"(loaded), "+a"(failed)
      : [from] "r"(va)
      : "memory");
  value = loaded;
  return failed == 0;
}

bool store_or_fault(uint64_t va, uint64_t value) {
  uint64_t failed = 0;
  asm volatile(
      "1: mov %[from], (%[to])\n2:\n"
      ".pushsection .fixups, \"a\"\n.quad 1b, 2b\n.popsection"
      : "+a"(failed)
      : [to] "r"(va), [from] "r"(value)
      : "memory");
  return failed == 0;
}

void set_up_traps() {
  trap_info table[33] = {};
  unsigned n = 0;
  for (unsigned vector = 0; vector < 32; ++vector)
    if (trap_entries[vector] != 0) table[n++] = table_entry(vector);
  if (hypercall(__HYPERVISOR_set_trap_table, address(table)) != 0)
    bug("Xen does not take the trap table");
  register_callback(CALLBACKTYPE_event, enter_event);
  register_callback(CALLBACKTYPE_failsafe, enter_failsafe);
  register_callback(CALLBACKTYPE_syscall, enter_system_call);
}

void describe_traps(void* vcpu_context) {
  auto& context = *static_cast<vcpu_guest_context*>(vcpu_context);
  for (unsigned vector = 0; vector < 32; ++vector)
    if (trap_entries[vector] != 0) context.trap_ctxt[vector] = table_entry(vector);
  context.event_callback_eip = address(enter_event);
  context.failsafe_callback_eip = address(enter_failsafe);
  context.syscall_callback_eip = address(enter_system_call);
  context.flags |= VGCF_failsafe_disables_events | VGCF_syscall_disables_events;
}

// From start.S: something happened in kernel mode. On return the kernel goes on with the frame.
extern "C" void trap_in_kernel(trap_frame* frame) {
  if (frame->vector == kEvent) return handle_events();
  if ((frame->vector == kPageFault || frame->vector == kGeneralProtection) && fix_up(*frame))
    return;
  const uint64_t fault = xen_mmu_ops()->read_cr2 ? xen_mmu_ops()->read_cr2() : 0;
  if (was_old_translation(*frame, fault)) return;
  say("trap ", frame->vector, " error ", hex{frame->error}, " rip ", hex{frame->rip}, " rsp ",
      hex{frame->rsp}, " cr2 ", hex{fault});
  bug("the kernel met a trap");
}

}  // namespace ferry::kernel
