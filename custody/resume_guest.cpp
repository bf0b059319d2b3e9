// Bringing back a guest that a broken save left suspended.
#include "custody/resume_guest.h"

#include <chrono>

#include "custody/guest_custody.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "files/target_hold.h"

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

namespace {

// What a killed save or xl leaves behind (an engine, whoever keeps the lock for xl) goes at once,
// but not in no time. A save that is under way is not broken.
DomainLock lock_soon(domid_t domid) {
  constexpr std::chrono::milliseconds kGoesWithin{500};
  const auto until = std::chrono::steady_clock::now() + kGoesWithin;
  try {
    return DomainLock::wait_for(domid, [&] { return std::chrono::steady_clock::now() < until; });
  } catch (const Error& e) {
    if (e.code() != Errc::aborted) throw;
    return DomainLock(domid);
  }
}

}  // namespace

ResumedGuest resume_guest(const Hypervisor& xen, Lifecycle& life, const std::string& name,
                          bool force, const MigrationClaims& claims) {
  const domid_t domid = life.find(name);
  GuestCustody guest(xen, life, domid, lock_soon(domid));
  const DomainInfo domain = guest.look();
  if (domain.dying) fail(Errc::no_domain, "domain {} is being destroyed", raw(domain.domid));
  if (claims.refuse_open) claims.refuse_open(xen, domain);
  if (!domain.suspended && !has_suspend_mark(domain))
    fail(Errc::guest, "domain {} is not suspended: there is nothing to resume", raw(domain.domid));
  if (!force) refuse_unvouched(domain, claims);
  guest.take_over();
  guest.give_back();
  remove_left_holds();
  return {guest.domid(), guest.look().paused};
}

}  // namespace ferry
