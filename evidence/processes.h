// The processes of a Linux guest, as ps shows them: from the kernel's list of tasks, whose layout
// the kernel's BTF has.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "evidence/kernel_memory.h"
#include "evidence/vmcoreinfo.h"

namespace ferry::evidence {

struct Process {
  uint32_t pid = 0, parent = 0;
  // As ps has it: R running, S sleeping, D waiting, T stopped, t traced, Z zombie, X dead, P
  // parked, I idle; and F frozen, as the kernel does before it suspends: what it was before is not
  // known.
  char state = '?';
  bool kernel = false;          // a thread of the kernel: no memory of its own
  uint64_t resident_pages = 0;  // in its memory
  uint64_t virtual_pages = 0;
  std::string command;  // 15 letters at most, as they are: not printable
};

// Visits all, the first one first. Throws Error(unsupported) for a kernel that does not say enough
// of itself, Error(bad_image) for a list that makes no sense; what was visited is right all the
// same.
void each_process(KernelMemory& memory, const VmcoreInfo& info,
                  const std::function<void(const Process&)>& visit);

}  // namespace ferry::evidence
