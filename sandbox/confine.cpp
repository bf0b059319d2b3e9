// All that is taken from a process, in the order in which it can be.
#include "sandbox/confine.h"

#include "sandbox/landlock.h"
#include "sandbox/rights.h"
#include "sandbox/syscall_filter.h"

namespace ferry::sandbox {

Confinement confine(const Limits& limits, Work work) noexcept {
  Confinement confinement;
  confinement.no_new_privs = forbid_new_privileges();  // Landlock and seccomp ask for it
  confinement.landlock_abi = forbid_paths();
  confinement.limits = set_limits(limits);
  confinement.nobody = become_nobody();  // while there are capabilities for it
  confinement.no_capabilities = drop_capabilities();
  hide_and_end_with_parent();  // another user's process forgets both
  confinement.seccomp_errno = filter_system_calls(work);
  confinement.seccomp = confinement.seccomp_errno == 0;
  return confinement;
}

std::vector<std::string_view> names_of(const Confinement& confinement) {
  std::vector<std::string_view> names;
  const auto put = [&](bool there, std::string_view name) {
    if (there) names.push_back(name);
  };
  put(confinement.seccomp, "seccomp");
  put(confinement.landlock_abi != 0, "landlock");
  put(confinement.no_new_privs, "no_new_privs");
  put(confinement.no_capabilities, "no_capabilities");
  put(confinement.nobody, "nobody");
  put(confinement.limits, "limits");
  return names;
}

}  // namespace ferry::sandbox
