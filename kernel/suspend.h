// What the toolstack asks of the guest through xenstore: to suspend, to power off, to reboot.
#pragma once

#include <stdint.h>

namespace ferry::kernel {

// Tells the toolstack what may be asked, and watches for it.
void offer_suspend();

// Does what was asked, if anything was. On vCPU 0, with the kernel's lock.
void answer_toolstack();

// The guest ends; why: SHUTDOWN_….
[[noreturn]] void shut_down(unsigned why);

}  // namespace ferry::kernel
