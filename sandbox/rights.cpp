// Who a process is, and what that allows.
#include "sandbox/rights.h"

#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <iterator>

namespace ferry::sandbox {
namespace {

// Owns no file on a Debian system, by the kernel's own convention (overflowuid).
constexpr unsigned kNobody = 65534;
constexpr int kMostCapabilities = 64;  // that the kernel's two words can hold

}  // namespace

bool forbid_new_privileges() noexcept {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // The bounding set, while there is the capability for it, which only root has.
  for (int capability = 0; capability < kMostCapabilities; ++capability)
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) break;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

bool become_nobody() noexcept {
  if (geteuid() != 0) return false;
  return setgroups(0, nullptr) == 0 && setresgid(kNobody, kNobody, kNobody) == 0 &&
         setresuid(kNobody, kNobody, kNobody) == 0;
}

bool drop_capabilities() noexcept {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capset, &header, none) != 0) return false;
  __user_cap_data_struct left[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, left) != 0) return false;
  for (const __user_cap_data_struct& word : left)
    if (word.effective != 0 || word.permitted != 0 || word.inheritable != 0) return false;
  return true;
}

void hide_and_end_with_parent() noexcept {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

}  // namespace ferry::sandbox
