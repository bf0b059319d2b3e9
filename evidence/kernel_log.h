// The kernel's log, as dmesg prints it, from its memory: the ring buffer of Linux 5.10 and later.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "evidence/kernel_memory.h"
#include "evidence/vmcoreinfo.h"

namespace ferry::evidence {

struct LogRecord {
  uint64_t sequence = 0;
  uint64_t nanoseconds = 0;  // since the guest started
  unsigned facility = 0;     // 0: the kernel itself
  unsigned level = 0;        // 0 emergency to 7 debugging
  uint32_t caller = 0;       // as the kernel notes it; 0 if it does not
  std::string text;          // as it is: not printable, lines end in \n where there are several
};

struct LogTotals {
  uint64_t records = 0;
  uint64_t lost = 0;  // that the ring names but does not have any more
};

// Visits the records, the oldest first. Throws Error(unsupported) for a kernel that does not say
// where its log is, Error(bad_image) for a log that makes no sense.
LogTotals read_kernel_log(KernelMemory& memory, const VmcoreInfo& info,
                          const std::function<void(const LogRecord&)>& visit);

}  // namespace ferry::evidence
