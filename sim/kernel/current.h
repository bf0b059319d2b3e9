// Which guest the entry points of the guest half work on: the one whose vCPU this thread runs.
#pragma once

#include "guest/guest.h"
#include "sim/kernel/kernel_machine.h"

namespace ferry {

using current_machine = sim::KernelMachine;
guest<current_machine>& current_guest();

namespace sim {

using GuestHalf = guest<KernelMachine>;

// This thread runs that guest while the object lives; they nest.
class RunningGuest {
 public:
  explicit RunningGuest(GuestHalf& guest);
  ~RunningGuest();
  RunningGuest(const RunningGuest&) = delete;
  RunningGuest& operator=(const RunningGuest&) = delete;

 private:
  GuestHalf* before_;
};

// The operations in their late form, for a kernel that has booted before: in another process, maybe
// on another host.
void install_late_operations(GuestHalf& guest);

}  // namespace sim
}  // namespace ferry
