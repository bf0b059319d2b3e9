// Asking the simulated kernel to suspend.
#include "sim_toolstack/kernel_guests.h"

#include "error/error.h"
#include "sim/kernel/sim_kernel.h"
#include "sim/machine/step.h"

namespace ferry::sim {

GuestHooks kernel_guests(Host& host) {
  GuestHooks hooks;
  hooks.asked_to_suspend = [&host](domid_t domid) {
    const MachineStep step;
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
