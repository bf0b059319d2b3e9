// The guest half, built for this kernel: its entry points (guest/xen_guest.h) work on one guest.
#pragma once

#include "guest/guest.h"
#include "kernel/machine.h"

namespace ferry {

using current_machine = kernel::Machine;
guest<current_machine>& current_guest();

}  // namespace ferry
