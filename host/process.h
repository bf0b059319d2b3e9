// Other processes of this host, told from later ones that get the same number.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

namespace ferry::host {

// When the process was started, in the kernel's ticks since the host was; 0: there is none, or it
// has ended and nobody has asked how.
uint64_t start_of(pid_t pid);

// Waits until the process that was started then is gone; after so long it gets SIGKILL.
void end_process(pid_t pid, uint64_t start, std::chrono::milliseconds patience);

}  // namespace ferry::host
