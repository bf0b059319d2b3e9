// What a process gives up before it reads what came from outside, for good.
#pragma once

#include <string_view>
#include <vector>

#include "sandbox/limits.h"

namespace ferry::sandbox {

// What holds a process. A kernel, or a container around us, may refuse any of it.
struct Confinement {
  bool seccomp = false;          // no system call but those that reading needs (syscall_filter.h)
  unsigned landlock_abi = 0;     // 0: no Landlock; else no path, no TCP port (landlock.h)
  bool no_new_privs = false;     // no program can give it rights
  bool no_capabilities = false;  // none is left
  bool nobody = false;           // it is not root any more, nor in any group of whoever started it
  bool limits = false;           // of memory, processor time and descriptors (limits.h)
  int seccomp_errno = 0;         // why there is no filter
};

// What a process may still do with the descriptors it has.
enum class Work {
  reading,     // read and write them
  connection,  // also end the connections among them, and ask whether their other end lives
};

// Takes all that can be taken from this process, which must have one thread: no file but the
// descriptors it has, no connection, no other process, no program, no right. What the kernel
// refuses to take is missing in what is returned; it never throws. From then on a system call that
// is not on the list ends the process with SIGSYS.
Confinement confine(const Limits& limits, Work work = Work::reading) noexcept;

// "seccomp", "landlock", "no_new_privs", "no_capabilities", "nobody", "limits": what is there.
std::vector<std::string_view> names_of(const Confinement& confinement);

}  // namespace ferry::sandbox
