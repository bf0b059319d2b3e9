// Event channels: what Xen and other domains have to say to the kernel.
#pragma once

#include <stdint.h>

namespace ferry::kernel {

// Takes every event that waits for this vCPU. Handlers only note what happened; the kernel's main
// loop looks.
void handle_events();

// Waits for an event, without the kernel's lock.
void wait_for_event();

}  // namespace ferry::kernel
