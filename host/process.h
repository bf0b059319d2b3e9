// Waiting for another process of this host to end, and ending it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

namespace ferry::host {

// Waits until the process that was started then (files/process_start.h) is gone; after so long it
// gets SIGKILL.
void end_process(pid_t pid, uint64_t start, std::chrono::milliseconds patience);

}  // namespace ferry::host
