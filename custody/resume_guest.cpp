// Bringing back a guest that a broken save left suspended.
#include "custody/resume_guest.h"

#include "custody/domain_lock.h"
#include "custody/give_back.h"
#include "custody/suspend_mark.h"
#include "error/error.h"

namespace ferry {

namespace {

// True if a save has left its note.
bool check_broken_save(const Hypervisor& xen, domid_t domid, bool force) {
  const DomainLock lock(domid);  // a save that is under way is not broken
  const DomainInfo domain = get_domain(xen, domid);
  const bool noted = has_suspend_mark(domain);
  if (!domain.suspended && !noted)
    fail(Errc::guest, "domain {} is not suspended: there is nothing to resume", raw(domid));
  if (!force && !noted)
    fail(
        Errc::guest,
        "domain {} is suspended, but not by a broken save of ferry; if no copy of it runs anywhere "
        "else, --force resumes it",
        raw(domid));
  return noted;
}

}  // namespace

domid_t resume_guest(const Hypervisor& xen, Lifecycle& life, const std::string& name, bool force) {
  const domid_t domid = life.find(name);
  const bool noted = check_broken_save(xen, domid, force);
  give_back(xen, life, domid, noted);
  return domid;
}

}  // namespace ferry
