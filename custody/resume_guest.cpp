// Bringing back a guest that a broken save left suspended.
#include "custody/resume_guest.h"

#include "custody/guest_custody.h"
#include "custody/suspend_mark.h"
#include "error/error.h"

namespace ferry {

void refuse_unvouched(const DomainInfo& domain, const MigrationClaims& claims) {
  const bool noted = has_suspend_mark(domain);
  if (!domain.suspended && !noted) return;
  if (!noted)
    fail(Errc::needs_operator,
         "domain {0} is suspended, but not by a broken save of ferry: it may run elsewhere; only "
         "if it surely does not, try: ferry resume --force {0}",
         raw(domain.domid));
  const std::string job = job_in_suspend_mark(domain);
  // A job that was settled and killed before the guest ran again.
  const bool taken_back = !job.empty() && claims.was_taken_back && claims.was_taken_back(job);
  if (!job.empty() && !taken_back)
    fail(Errc::needs_operator,
         "domain {0} was suspended by migration job {1}, of which there is no journal here that "
         "can be read: it may run elsewhere; only if it surely does not, try: ferry resume --force "
         "{0}",
         raw(domain.domid), job);
}

domid_t resume_guest(const Hypervisor& xen, Lifecycle& life, const std::string& name, bool force,
                     const MigrationClaims& claims) {
  GuestCustody guest(xen, life, life.find(name));  // a save that is under way is not broken
  const DomainInfo domain = guest.look();
  if (claims.refuse_open) claims.refuse_open(domain);
  if (!domain.suspended && !has_suspend_mark(domain))
    fail(Errc::guest, "domain {} is not suspended: there is nothing to resume", raw(domain.domid));
  if (!force) refuse_unvouched(domain, claims);
  guest.take_over();
  guest.give_back();
  return guest.domid();
}

}  // namespace ferry
