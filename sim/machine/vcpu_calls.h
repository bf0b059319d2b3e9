// What a guest's kernel asks of Xen beside its page tables: scheduling, vCPUs, traps, callbacks.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

long sched_op(Host& host, Domain& caller, uint32_t vcpu, int command, void* arg);
// current: the vCPU that asks.
long vcpu_op(Host& host, Domain& caller, uint32_t current, int command, uint32_t vcpu, void* arg);
long set_trap_table(Vcpu& vcpu, const trap_info_t* traps);
long callback_op(Vcpu& vcpu, int command, void* arg);
long set_callbacks(Vcpu& vcpu, uint64_t event, uint64_t failsafe, uint64_t syscall);
long stack_switch(Vcpu& vcpu, uint64_t ss, uint64_t sp);
long set_segment_base(Vcpu& vcpu, unsigned which, uint64_t base);
long vm_assist(Domain& caller, unsigned command, unsigned type);

}  // namespace ferry::sim
