// How much a process that reads what came from outside may use up.
#include "sandbox/limits.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace ferry::sandbox {
namespace {

constexpr uint64_t kLeastMemory = uint64_t{1} << 30;
constexpr uint64_t kLeastCpuSeconds = 3600;

// Never more than there was.
bool lower(__rlimit_resource which, uint64_t soft, uint64_t hard) {
  struct rlimit limit = {};
  if (getrlimit(which, &limit) != 0) return false;
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, hard);
  limit.rlim_cur = std::min({limit.rlim_cur, static_cast<rlim_t>(soft), limit.rlim_max});
  return setrlimit(which, &limit) == 0;
}

}  // namespace

Limits limits_for(uint64_t file_bytes) {
  const uint64_t pages = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  const uint64_t machine = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return {.cpu_seconds = kLeastCpuSeconds + (file_bytes >> 20),
          .memory_bytes = std::max(kLeastMemory, machine / 2)};
}

bool set_limits(const Limits& limits) noexcept {
  bool all = lower(RLIMIT_CORE, 0, 0);
  // poll() of one descriptor needs a limit of one; number 0 is taken, so no further one can be had.
  all &= lower(RLIMIT_NOFILE, 1, 1);
  // The signal that can be told from others comes first.
  all &= lower(RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 5);
  // Not RLIMIT_AS: the C library's allocator reserves address space for each thread that it may
  // never use.
  all &= lower(RLIMIT_DATA, limits.memory_bytes, limits.memory_bytes);
  return all;
}

}  // namespace ferry::sandbox
