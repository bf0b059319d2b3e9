// vCPUs: their records, the kernel's lock, calls from one to another.
#include "kernel/cpu.h"

#include "guest/xen_guest.h"
#include "kernel/hypercall.h"
#include "kernel/lock.h"

namespace ferry::kernel {
namespace {

cpu_data cpus[kMaxCpus];
spinlock big_lock;

}  // namespace

cpu_data& cpu(unsigned number) {
  return cpus[number];
}

void set_up_boot_cpu() {
  for (unsigned i = 0; i < kMaxCpus; ++i) cpus[i].number = i;
  cpus[0].online = true;
  hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, address(&cpus[0]));
}

void lock_kernel() {
  while (!big_lock.try_lock()) {
    answer_calls();
    asm volatile("pause");
  }
}
void unlock_kernel() {
  big_lock.unlock();
}

void call_on(unsigned number, void (*function)(void*), void* argument) {
  if (number == this_cpu()) return function(argument);
  cpu_data& target = cpus[number];
  target.call_argument = argument;
  __atomic_store_n(&target.call, function, __ATOMIC_RELEASE);
  kick(number);
  while (__atomic_load_n(&target.call, __ATOMIC_ACQUIRE) != nullptr) asm volatile("pause");
}

void answer_calls() {
  cpu_data& c = me();
  const auto function = __atomic_load_n(&c.call, __ATOMIC_ACQUIRE);
  if (function == nullptr) return;
  function(c.call_argument);
  __atomic_store_n(&c.call, nullptr, __ATOMIC_RELEASE);
}

void kick(unsigned number) {
  evtchn_send send{xen_port_of(cpus[number].ipi)};
  hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, address(&send));
}

}  // namespace ferry::kernel
