// The guest half's entry points, built for the simulated kernel.
#include "sim/kernel/current.h"

#include <utility>

#include "guest/entry_points.inc"

namespace ferry {
namespace {

thread_local sim::GuestHalf* current = nullptr;

}  // namespace

guest<current_machine>& current_guest() {
  if (!current) throw sim::KernelCrash("an entry point was called without a guest");
  return *current;
}

namespace sim {

RunningGuest::RunningGuest(GuestHalf& guest) : before_(std::exchange(current, &guest)) {
}
RunningGuest::~RunningGuest() {
  current = before_;
}

void install_late_operations(GuestHalf& guest) {
  const RunningGuest running(guest);
  xen_init_mmu_ops();
  entry::install_late(guest.ops);
  guest.ops.read_cr2 = guest.cpus.all_placed() ? xen_read_cr2_direct : xen_read_cr2;
}

}  // namespace sim
}  // namespace ferry
