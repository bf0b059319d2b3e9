// The kernel's main loop.
#include "kernel/run.h"

#include "kernel/balloon.h"
#include "kernel/buffers.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/coverage.h"
#include "kernel/cpu.h"
#include "kernel/events.h"
#include "kernel/memory.h"
#include "kernel/race.h"
#include "kernel/smp.h"
#include "kernel/suspend.h"
#include "kernel/workload.h"
#include "kernel/wrong.h"

namespace ferry::kernel {
namespace {

constexpr uint64_t kTick = 500 * kMillisecond;
constexpr uint64_t kSlice = 10 * kMillisecond;  // of a process, or of waiting

uint64_t ticks, last_time, next_tick;

// A line that says that all is well, as the workload of a Linux guest prints it
// (tests/lab/workload.c).
void tick() {
  check_memory();
  check_processes();
  const uint64_t time = now();
  const bool back = time < last_time;
  if (back) complain("the clock went back");
  last_time = time;
  say("tick ", ++ticks, complaints() == 0 ? " ok" : " not ok", " ms=", time / kMillisecond,
      " free=", free_pages(), " complaints=", complaints());
  if (ticks % 10 != 0) return;
  say_coverage();
  const WorkloadCounts& n = workload_counts();
  say("forks=", n.forks, " exits=", n.exits, " touches=", n.touches, " writes=", n.writes,
      " faults=", n.faults, " copies=", n.copies, " zeros=", n.zeros, " refusals=", n.refusals,
      " protections=", n.protections, " unmaps=", n.unmaps);
}

void look_after_the_guest() {
  answer_toolstack();
  balloon();
  do_wrong();
  if (now() < next_tick) return;
  tick();
  next_tick = now() + kTick;
}

// Until a trap, an event or the end of its time.
void run(Process& p) {
  unlock_kernel();
  p.registers = *run_user(&p.registers);
  const uint64_t fault = p.registers.vector == kPageFault ? xen_mmu_ops()->read_cr2() : 0;
  lock_kernel();
  process_has_stopped(p, fault);
}

[[noreturn]] void run_cpu() {
  lock_kernel();
  for (;;) {
    handle_events();
    if (this_cpu() == 0) look_after_the_guest();
    act();
    Process* p = process_to_run();
    set_timer(now() + kSlice);
    if (p == nullptr) {
      unlock_kernel();
      wait_for_event();
      lock_kernel();
    } else {
      run(*p);
    }
  }
}

}  // namespace

void run_kernel(unsigned nr_cpus, bool race) {
  if (race && nr_cpus > 1) {
    run_race(100000);
    shut_down(SHUTDOWN_poweroff);
  }
  make_buffers(free_pages() / 2);
  set_up_workload();
  offer_suspend();
  set_up_balloon();
  say("workload of ", nr_cpus, " vCPUs");
  for (unsigned i = 1; i < nr_cpus; ++i) bring_up(i, run_cpu);
  run_cpu();
}

}  // namespace ferry::kernel
