// How a save shares dom0's CPUs with the backends of all guests.
#pragma once

#include <sys/types.h>

namespace ferry::helper {

// The disk and network backends of all guests share dom0's CPUs with us. pid: of a process of ours
// that has one thread yet; 0: of this one.
void lower_priority(pid_t pid = 0);
// For what is done while a guest stands still.
void restore_priority();

}  // namespace ferry::helper
