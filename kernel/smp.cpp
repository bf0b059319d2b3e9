// A new vCPU: all of its registers are what its first one gives it.
#include "kernel/smp.h"

#include "guest/xen_guest.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/hypercall.h"
#include "kernel/xen_half.h"

namespace ferry::kernel {

void bring_up(unsigned number, void (*function)()) {
  static vcpu_guest_context context;  // too large for a stack
  context = {};
  cpu_data& c = cpu(number);
  context.flags = VGCF_in_kernel;
  describe_traps(&context);
  context.user_regs.rip = reinterpret_cast<uint64_t>(function);
  context.user_regs.rsp = address(c.stack + sizeof c.stack) - 8;
  context.user_regs.rflags = kEventsEnabled;
  context.user_regs.cs = kCodeSelector;
  context.user_regs.ss = kStackSelector;
  context.kernel_ss = kStackSelector;
  context.kernel_sp = address(c.entry_stack + sizeof c.entry_stack);
  context.gs_base_kernel = address(&c);
  context.ctrlreg[3] = pfn_to_mfn(current_guest().core.init_pgd.raw()) << kPageShift;
  if (hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, number, address(&context)) != 0)
    bug("a vCPU cannot be initialised");
  c.online = true;
  if (hypercall(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, number) != 0 ||
      hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, number) != 0)
    bug("a vCPU does not come up");
}

}  // namespace ferry::kernel
