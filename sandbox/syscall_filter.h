// Which system calls a process that reads what came from outside may make. Private to this folder
// and its tests.
#pragma once

#include "sandbox/confine.h"

namespace ferry::sandbox {

// Installs a filter of seccomp for all threads of this process. Returns 0, or the errno with which
// the kernel refused. Needs no_new_privs, or CAP_SYS_ADMIN.
int filter_system_calls(Work work = Work::reading) noexcept;

}  // namespace ferry::sandbox
