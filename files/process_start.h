// When a process was started: tells it from a later one that gets the same number.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace ferry {

// When the process was started, in the kernel's ticks since the host was (proc(5), starttime); 0:
// there is none, or it has ended and nobody has asked how.
uint64_t process_start(pid_t pid);

}  // namespace ferry
