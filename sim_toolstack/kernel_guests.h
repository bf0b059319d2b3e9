// Guests that run the simulated kernel, as their toolstack sees them.
#pragma once

#include "sim_toolstack/lifecycle.h"

namespace ferry::sim {

// They suspend as their kernel does, and come back from it when they run again.
GuestHooks kernel_guests(Host& host);

}  // namespace ferry::sim
