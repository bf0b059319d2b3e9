// Asking the simulated kernel to suspend.
#include "sim_toolstack/kernel_guests.h"

#include "error/error.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/machine/domains.h"
#include "sim/machine/guest_turn.h"
#include "sim/machine/step.h"
#include "sim/seam/points.h"

namespace ferry::sim {

namespace {

// A paused guest does not, and has not suspended when its toolstack looks.
bool can_hear(Host& host, domid_t domid) {
  const HostLock lock(host);
  const Domain* d = host.find_domain(static_cast<DomainNumber>(domid));
  return !d || d->shutdown || runnable(*d);
}

}  // namespace

GuestHooks kernel_guests(Host& host) {
  GuestHooks hooks;
  hooks.asked_to_suspend = [&host](domid_t domid) {
    reach_point("ask the guest to suspend");
    const GuestTurn turn(host);
    const MachineStep step;
    if (!can_hear(host, domid)) return;
    const auto kernel = SimKernel::attach(host, static_cast<DomainNumber>(domid));
    try {
      kernel->suspend();
    } catch (const KernelCrash& e) {
      fail(Errc::guest, "domain {} crashed in its suspend: {}", static_cast<unsigned>(domid),
           e.what());
    }
  };
  hooks.resumed = [](domid_t) {};
  return hooks;
}

}  // namespace ferry::sim
