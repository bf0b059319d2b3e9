// Taking events: a bit for each port in shared_info, a bit for each word of those in vcpu_info.
#include "kernel/events.h"

#include "guest/xen_guest.h"
#include "kernel/cpu.h"
#include "kernel/hypercall.h"
#include "kernel/xen_half.h"

namespace ferry::kernel {
namespace {

void handle_port(uint32_t port) {
  cpu_data& c = me();
  if (port == xen_port_of(c.timer)) c.ticked = true;
  // Calls of other vCPUs are answered in any case; the rings are looked at by the main loop.
}

void handle_word(shared_info_t& shared, unsigned word) {
  uint64_t ports = __atomic_load_n(&shared.evtchn_pending[word], __ATOMIC_ACQUIRE) &
                   ~__atomic_load_n(&shared.evtchn_mask[word], __ATOMIC_ACQUIRE);
  for (; ports != 0; ports &= ports - 1) {
    const unsigned bit = static_cast<unsigned>(__builtin_ctzll(ports));
    __atomic_fetch_and(&shared.evtchn_pending[word], ~(uint64_t{1} << bit), __ATOMIC_ACQ_REL);
    handle_port(64 * word + bit);
  }
}

}  // namespace

void handle_events() {
  auto& half = current_guest();
  auto& shared = *reinterpret_cast<shared_info_t*>(half.core.shared_info_va);
  auto& info = *reinterpret_cast<vcpu_info_t*>(half.cpus.info_va(this_cpu()));
  while (__atomic_exchange_n(&info.evtchn_upcall_pending, 0, __ATOMIC_ACQ_REL) != 0) {
    uint64_t words = __atomic_exchange_n(&info.evtchn_pending_sel, 0, __ATOMIC_ACQ_REL);
    for (; words != 0; words &= words - 1)
      handle_word(shared, static_cast<unsigned>(__builtin_ctzll(words)));
  }
  answer_calls();
}

void wait_for_event() {
  // Delivers events from here on, and sleeps if there is none; the event's own entry turns them off
  // again for as long as it lasts.
  hypercall(__HYPERVISOR_sched_op, SCHEDOP_block);
  auto& info = *reinterpret_cast<vcpu_info_t*>(current_guest().cpus.info_va(this_cpu()));
  __atomic_store_n(&info.evtchn_upcall_mask, 1, __ATOMIC_RELEASE);
  handle_events();
}

}  // namespace ferry::kernel
