// The kernel's own part in a suspend; the rest is guest/suspend.h.
#include "kernel/suspend.h"

#include "guest/shutdown_request.h"
#include "guest/xen_guest.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/grants.h"
#include "kernel/hypercall.h"
#include "kernel/store.h"
#include "kernel/wrong.h"

namespace ferry::kernel {
namespace {

constexpr char kShutdownWatch = 's';

uint64_t stopped_at;
uint64_t resumes, cancels;

// Whoever suspends holds the kernel's lock, so no process and no other vCPU is in the midst of
// anything that the kernel does for them.
int freeze() {
  return 0;
}
void thaw() {
}
int suspend_devices() {
  suspend_grants();
  return 0;
}
void resume_devices(int cancelled) {
  resume_grants(cancelled != 0);
}
void suspend_store() {
  // Requests are waited for, so none is open.
}
void resume_store(int cancelled, unsigned port) {
  store().resume(cancelled != 0, port);
}
void stop(void (*function)(void*), void* argument) {
  park_others();
  stopped_at = now();
  do_wrong_before_suspend();
  function(argument);
  do_wrong_after_suspend();
  unpark_others();
}

constexpr xen_suspend_hooks kHooks = {
    .freeze = freeze,
    .thaw = thaw,
    .suspend_devices = suspend_devices,
    .resume_devices = resume_devices,
    .suspend_store = suspend_store,
    .resume_store = resume_store,
    .resume_console = set_console_port,
    .stop_machine = stop,
};

void suspend() {
  const int result = xen_do_suspend(&kHooks);
  if (result < 0) return complain("the suspend failed");
  if (result == 0) {
    go_on_from(stopped_at);
    say("resumed ", ++resumes);
  } else {
    say("cancelled ", ++cancels);
  }
}

}  // namespace

void shut_down(unsigned why) {
  say("shutting down");
  sched_shutdown reason{why};
  for (;;) hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&reason));
}

void offer_suspend() {
  advertise_requests(store());
  if (store().watch(kControlShutdown, kShutdownWatch) != 0) complain("xenstore sets no watch");
}

void answer_toolstack() {
  if (!store().fired(kShutdownWatch)) return;
  switch (take_request(store(), false)) {
    case shutdown_request::none:
      return;
    case shutdown_request::suspend:
      if (wrong() == Wrong::deaf) return;
      suspend();
      if (wrong() == Wrong::twice) suspend();
      return;
    case shutdown_request::poweroff:
      shut_down(SHUTDOWN_poweroff);
    case shutdown_request::reboot:
      shut_down(SHUTDOWN_reboot);
  }
}

}  // namespace ferry::kernel
