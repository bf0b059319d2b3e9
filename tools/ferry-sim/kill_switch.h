// SIGUSR2 kills this process as SIGKILL would on a real host: between two steps of the machine, its
// mappings gone with it. For tests and for whoever wants to see what ferry makes of it.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

// From now on, in this process and for as long as it lives; every further thread is covered.
void install_kill_switch(Host& host);

}  // namespace ferry::sim
