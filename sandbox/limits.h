// How much a process that reads what came from outside may use up.
#pragma once

#include <cstdint>

namespace ferry::sandbox {

struct Limits {
  uint64_t cpu_seconds = 0;   // over all threads; then SIGXCPU
  uint64_t memory_bytes = 0;  // private memory; then allocating fails
};

// Far beyond what reading a file of so many bytes takes, so that a sound one never meets them, and
// still finite: an hour and a second for each MiB; half of this machine's memory, at least 1 GiB,
// so that it is not the kernel that has to choose whom to kill for more.
Limits limits_for(uint64_t file_bytes);

// For this process. No core file either, since guest memory would be in it, and not one descriptor
// more than there are. False if the system refuses some of it.
bool set_limits(const Limits& limits) noexcept;

}  // namespace ferry::sandbox
