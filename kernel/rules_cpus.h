// vCPUs: what Xen shares with them, their start, timers and entry points.
#pragma once

#include "kernel/rules.h"

namespace ferry {

template <typename Book>
int64_t vcpu_op(Book& b, unsigned command, unsigned vcpu, uint64_t argument = 0) {
  return b.call(__HYPERVISOR_vcpu_op, command, vcpu, argument);
}

template <typename Book>
int64_t place_info(Book& b, unsigned vcpu, uint64_t mfn, uint32_t offset) {
  vcpu_register_vcpu_info_t info{};
  info.mfn = mfn;
  info.offset = offset;
  return vcpu_op(b, VCPUOP_register_vcpu_info, vcpu, Book::address(info));
}

template <typename Book>
void vcpu_info_rules(Book& b) {
  const pfn_t page = b.page(), l1 = b.table(1);
  for (unsigned i = 0; i < kEntriesPerTable; ++i) b.write(page, i, 0x5555555555555555);
  b.says("vcpu.none", vcpu_op(b, VCPUOP_is_up, 127));
  b.says("vcpu.unknown_command", vcpu_op(b, 60, 0));
  b.says("vcpu.info.placed_before", place_info(b, 0, b.mfn(page), 0));
  b.says("vcpu.info.no_such_frame", place_info(b, b.spare, kNoSuchMfn, 0));
  b.says("vcpu.info.in_a_table", place_info(b, b.spare, b.mfn(l1), 0));
  b.says("vcpu.info.beyond_the_page", place_info(b, b.spare, b.mfn(page), 4096 - 32));
  b.says("vcpu.info.unaligned", place_info(b, b.spare, b.mfn(page), 4));
  b.says("vcpu.info.last_place", place_info(b, b.spare, b.mfn(page), 4096 - 64));
  const unsigned first = kEntriesPerTable - 8;
  b.reads("vcpu.info.before_it", b.read(page, first - 1));
  b.reads("vcpu.info.pending_and_mask", b.read(page, first));
  b.reads("vcpu.info.selector", b.read(page, first + 1));
  b.says("vcpu.info.again", place_info(b, b.spare, b.mfn(page), 0));
  b.remap(page, kKernelReadOnly);
  b.says("vcpu.info.page_as_table", b.ext(MMUEXT_PIN_L1_TABLE, b.mfn(page)));
  b.remap(page, kKernelReadWrite);
}

template <typename Book>
void runstate_rules(Book& b) {
  const pfn_t page = b.page();
  const auto area = [&](unsigned vcpu, uint64_t va) {
    vcpu_register_runstate_memory_area_t at{};
    at.addr.p = va;
    return vcpu_op(b, VCPUOP_register_runstate_memory_area, vcpu, Book::address(at));
  };
  for (unsigned i = 0; i < 32; ++i) b.write(page, i, ~uint64_t{0});
  b.says("runstate.of_xen", area(b.spare, kXensAddress));
  b.says("runstate.spare", area(b.spare, b.va(page)));
  b.reads("runstate.spare.state", b.read(page, 0) & 0xffffffff);
  b.reads("runstate.spare.never_ran", b.read(page, 2));
  b.says("runstate.own", area(0, b.va(page, 16)));
  b.reads("runstate.own.state", b.read(page, 16) & 0xffffffff);
  b.reads("runstate.own.has_entered", b.read(page, 17) != 0);
  b.reads("runstate.beyond_it", b.read(page, 22));
  b.says("runstate.again", area(0, b.va(page, 24)));
  b.reads("runstate.again.state", b.read(page, 24) & 0xffffffff);
  // A hypercall of its own, beside the area.
  vcpu_runstate_info_t info{};
  b.says("runstate.ask_own", vcpu_op(b, VCPUOP_get_runstate_info, 0, Book::address(info)));
  b.says("runstate.ask_own.state", info.state);
  b.says("runstate.ask_spare", vcpu_op(b, VCPUOP_get_runstate_info, b.spare, Book::address(info)));
  b.says("runstate.ask_spare.state", info.state);
}

// Nothing of it runs: it is never taken up.
template <typename Book>
void vcpu_start_rules(Book& b) {
  static vcpu_guest_context_t context;  // too large for a stack
  context = {};
  const pfn_t data = b.page();
  const auto initialise = [&](unsigned vcpu) {
    return vcpu_op(b, VCPUOP_initialise, vcpu, Book::address(context));
  };
  b.says("vcpu.is_up.own", vcpu_op(b, VCPUOP_is_up, 0));
  b.says("vcpu.is_up.spare", vcpu_op(b, VCPUOP_is_up, b.spare));
  b.says("vcpu.up.not_initialised", vcpu_op(b, VCPUOP_up, b.spare));
  b.says("vcpu.down.not_initialised", vcpu_op(b, VCPUOP_down, b.spare));
  context.flags = VGCF_in_kernel;
  context.ctrlreg[3] = b.mfn(data) << kPageShift;
  b.says("vcpu.initialise.base_no_table", initialise(b.spare));
  context.ctrlreg[3] = b.mfn(b.half().core.init_pgd) << kPageShift;
  context.user_regs.rip = kNotCanonical;
  b.says("vcpu.initialise.not_canonical", initialise(b.spare));
  context.user_regs.rip = 0;
  context.flags = 0;
  b.says("vcpu.initialise.in_user_mode", initialise(b.spare));
  context.flags = VGCF_in_kernel;
  context.gdt_ents = 512 * 15;
  b.says("vcpu.initialise.gdt_too_large", initialise(b.spare));
  context.gdt_ents = 0;
  context.ldt_base = 8;
  context.ldt_ents = 1;
  b.says("vcpu.initialise.ldt_unaligned", initialise(b.spare));
  context.ldt_base = 0;
  context.ldt_ents = 0;
  b.says("vcpu.initialise", initialise(b.spare));
  b.says("vcpu.initialise.again", initialise(b.spare));
  b.says("vcpu.initialise.own", initialise(0));
  b.says("vcpu.initialise.is_up", vcpu_op(b, VCPUOP_is_up, b.spare));
}

template <typename Book>
void timer_rules(Book& b) {
  const auto periodic = [&](unsigned vcpu, uint64_t period) {
    vcpu_set_periodic_timer_t timer{};
    timer.period_ns = period;
    return vcpu_op(b, VCPUOP_set_periodic_timer, vcpu, Book::address(timer));
  };
  const auto singleshot = [&](unsigned vcpu, uint64_t when, uint32_t flags) {
    vcpu_set_singleshot_timer_t timer{};
    timer.timeout_abs_ns = when;
    timer.flags = flags;
    return vcpu_op(b, VCPUOP_set_singleshot_timer, vcpu, Book::address(timer));
  };
  constexpr uint64_t kFar = uint64_t{1} << 60;
  b.says("timer.periodic", periodic(0, 1000000000));
  b.says("timer.periodic_too_fast", periodic(0, 100));
  b.says("timer.periodic_for_ever", periodic(0, ~uint64_t{0} >> 1));
  b.says("timer.periodic_of_spare", periodic(b.spare, 1000000000));
  b.says("timer.periodic_stop_of_spare", vcpu_op(b, VCPUOP_stop_periodic_timer, b.spare));
  b.says("timer.periodic_stop", vcpu_op(b, VCPUOP_stop_periodic_timer, 0));
  b.says("timer.once", singleshot(0, kFar, 0));
  b.says("timer.once_of_spare", singleshot(b.spare, kFar, 0));
  b.says("timer.once_past", singleshot(0, 1, 0));
  b.says("timer.once_past_but_future", singleshot(0, 1, VCPU_SSHOTTMR_future));
  b.says("timer.once_stop_of_spare", vcpu_op(b, VCPUOP_stop_singleshot_timer, b.spare));
  b.says("timer.once_stop", vcpu_op(b, VCPUOP_stop_singleshot_timer, 0));
  b.says("timer.set", b.call(__HYPERVISOR_set_timer_op, kFar));
  b.says("timer.set_none", b.call(__HYPERVISOR_set_timer_op, 0));
}

// Where Xen enters the kernel. Xen takes some of it as it is and looks when it needs it, so this is
// for a kernel that goes to user mode no more.
template <typename Book>
void entry_point_rules(Book& b) {
  const trap_info_t traps[] = {{31, 0, 0xe033, kNotCanonical}, {0, 0, 0, 0}};
  b.says("trap.not_canonical", b.call(__HYPERVISOR_set_trap_table, Book::address(traps)));
  b.says("callbacks.not_canonical", b.call(__HYPERVISOR_set_callbacks, kNotCanonical, 0, 0));
  callback_register_t entry{};
  entry.type = CALLBACKTYPE_event;
  entry.address = kNotCanonical;
  const auto callback = [&](unsigned command) {
    return b.call(__HYPERVISOR_callback_op, command, Book::address(entry));
  };
  b.says("callback.not_canonical", callback(CALLBACKOP_register));
  entry.type = 60;
  entry.address = 0;
  b.says("callback.unknown_type", callback(CALLBACKOP_register));
  b.says("callback.unknown_command", callback(60));
  callback_unregister_t leave{};
  leave.type = CALLBACKTYPE_event;
  b.says("callback.unregister",
         b.call(__HYPERVISOR_callback_op, CALLBACKOP_unregister, Book::address(leave)));
  b.says("stack.not_canonical", b.call(__HYPERVISOR_stack_switch, 0xe02b, kNotCanonical));
  b.says("segment.not_canonical",
         b.call(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, kNotCanonical));
  b.says("segment.unknown", b.call(__HYPERVISOR_set_segment_base, 60, 0));
  b.says("segment.user", b.call(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, 0));
  b.says("assist.unknown_type", b.call(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 60));
  b.says("assist.unknown_command", b.call(__HYPERVISOR_vm_assist, 60, 0));
  b.says("unknown_hypercall", b.call(50));
}

}  // namespace ferry
