// The kernel's main loop.
#include "kernel/run.h"

#include "kernel/buffers.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/events.h"
#include "kernel/memory.h"
#include "kernel/suspend.h"

namespace ferry::kernel {
namespace {

constexpr uint64_t kTick = 500 * kMillisecond;

uint64_t ticks, last_time, next_tick;

// A line that says that all is well, as the workload of a Linux guest prints it
// (tests/lab/workload.c).
void tick() {
  check_memory();
  const uint64_t time = now();
  const bool back = time < last_time;
  if (back) complain("the clock went back");
  last_time = time;
  say("tick ", ++ticks, complaints() == 0 ? " ok" : " not ok", " ms=", time / kMillisecond,
      " free=", free_pages(), " complaints=", complaints());
}

void look_after_the_guest() {
  answer_toolstack();
  change_buffers();
  if (now() < next_tick) return;
  tick();
  next_tick = now() + kTick;
}

[[noreturn]] void run_cpu() {
  lock_kernel();
  for (;;) {
    handle_events();
    if (this_cpu() == 0) look_after_the_guest();
    set_timer(now() + 20 * kMillisecond);
    unlock_kernel();
    wait_for_event();
    lock_kernel();
  }
}

}  // namespace

void run_kernel(unsigned nr_cpus) {
  make_buffers(free_pages() / 2);
  offer_suspend();
  say("workload of ", nr_cpus, " vCPUs");
  run_cpu();
}

}  // namespace ferry::kernel
