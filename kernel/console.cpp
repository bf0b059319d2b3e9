// Writing to the console's ring.
#include "kernel/console.h"

#include "kernel/hypercall.h"
#include "kernel/lock.h"
#include "kernel/xen_abi.h"

namespace ferry::kernel {
namespace {

xencons_interface* ring;
uint32_t console_port;
spinlock line_lock;
uint64_t nr_complaints;

void kick() {
  evtchn_send send{console_port};
  hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, address(&send));
}

void put_char(char c) {
  const uint32_t prod = ring->out_prod;
  while (prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) >= sizeof ring->out) {
    kick();
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield);
  }
  ring->out[prod % sizeof ring->out] = c;
  __atomic_store_n(&ring->out_prod, prod + 1, __ATOMIC_RELEASE);
}

void put_digits(uint64_t number, unsigned base) {
  char digits[20];
  unsigned n = 0;
  do {
    digits[n++] = "0123456789abcdef"[number % base];
    number /= base;
  } while (number != 0);
  while (n > 0) put_char(digits[--n]);
}

}  // namespace

void set_console(void* page, uint32_t port) {
  ring = static_cast<xencons_interface*>(page);
  console_port = port;
}

void set_console_port(uint32_t port) {
  console_port = port;
}

void put(const char* text) {
  while (*text != 0) put_char(*text++);
}
void put(uint64_t number) {
  put_digits(number, 10);
}
void put(hex number) {
  put("0x");
  put_digits(number.value, 16);
}

void begin_line() {
  line_lock.lock();
}
void end_line() {
  put_char('\n');
  kick();
  line_lock.unlock();
}

void count_complaint() {
  __atomic_fetch_add(&nr_complaints, 1, __ATOMIC_RELAXED);
}
uint64_t complaints() {
  return __atomic_load_n(&nr_complaints, __ATOMIC_RELAXED);
}

void bug(const char* sentence) {
  say("BUG: ", sentence);
  sched_shutdown reason{SHUTDOWN_crash};
  for (;;) hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&reason));
}

}  // namespace ferry::kernel
