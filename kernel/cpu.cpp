// vCPUs: their records, the kernel's lock, calls from one to another.
#include "kernel/cpu.h"

#include "guest/xen_guest.h"
#include "kernel/console.h"
#include "kernel/hypercall.h"
#include "kernel/lock.h"

namespace ferry::kernel {
namespace {

cpu_data cpus[kMaxCpus];
spinlock big_lock;
bool parking;
uint64_t parker;  // who parks the others

// Waiting for another vCPU: it may not run at the moment, so this one does not for long either.
class patience {
 public:
  void wait() {
    if (++waited_ % 64 == 0)
      hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield);
    else
      asm volatile("pause");
  }

 private:
  unsigned waited_ = 0;
};

// Touches nothing that is Xen's: the domain may be saved meanwhile, and go on elsewhere.
void stand_still() {
  __atomic_store_n(&me().parked, true, __ATOMIC_RELEASE);
  while (__atomic_load_n(&parking, __ATOMIC_ACQUIRE)) asm volatile("pause");
  __atomic_store_n(&me().parked, false, __ATOMIC_RELEASE);
}

}  // namespace

cpu_data& cpu(unsigned number) {
  return cpus[number];
}

void set_up_boot_cpu() {
  for (unsigned i = 0; i < kMaxCpus; ++i) cpus[i].number = i;
  cpus[0].online = true;
  hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, address(&cpus[0]));
  hypercall(__HYPERVISOR_stack_switch, kStackSelector,
            address(cpus[0].entry_stack + sizeof cpus[0].entry_stack));
}

void lock_kernel() {
  patience p;
  while (!big_lock.try_lock()) {
    answer_calls();
    p.wait();
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
  patience p;
  while (__atomic_load_n(&target.call, __ATOMIC_ACQUIRE) != nullptr) p.wait();
}

void answer_calls() {
  cpu_data& c = me();
  if (__atomic_load_n(&parking, __ATOMIC_ACQUIRE) && c.number != parker) stand_still();
  const auto function = __atomic_load_n(&c.call, __ATOMIC_ACQUIRE);
  if (function == nullptr) return;
  function(c.call_argument);
  __atomic_store_n(&c.call, nullptr, __ATOMIC_RELEASE);
}

void kick(unsigned number) {
  evtchn_send send{xen_port_of(cpus[number].ipi)};
  hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, address(&send));
}

void park_others() {
  parker = this_cpu();
  __atomic_store_n(&parking, true, __ATOMIC_RELEASE);
  patience p;
  for (cpu_data& c : cpus)
    if (c.online && c.number != parker) kick(static_cast<unsigned>(c.number));
  for (cpu_data& c : cpus)
    while (c.online && c.number != parker && !__atomic_load_n(&c.parked, __ATOMIC_ACQUIRE))
      p.wait();
}
void unpark_others() {
  __atomic_store_n(&parking, false, __ATOMIC_RELEASE);
  patience p;
  for (cpu_data& c : cpus)
    while (__atomic_load_n(&c.parked, __ATOMIC_ACQUIRE)) p.wait();
}

void set_up_cpu(unsigned number) {
  cpu_data& c = cpus[number];
  if (xen_vcpu_setup(number, address(&c.info), address(&c.runstate)) != 0)
    bug("a vcpu_info is not where it may be");
  c.timer = xen_bind_virq(VIRQ_TIMER, number);
  c.ipi = xen_bind_ipi(number);
  if (c.timer < 0 || c.ipi < 0) bug("a vCPU has no event channels");
}

unsigned count_cpus() {
  unsigned n = 1;
  while (n < kMaxCpus && hypercall(__HYPERVISOR_vcpu_op, VCPUOP_is_up, n) >= 0) ++n;
  return n;
}

}  // namespace ferry::kernel
