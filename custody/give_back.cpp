// A guest that a save, or a migration, leaves where it is.
#include "custody/give_back.h"

#include "custody/domain_lock.h"
#include "custody/suspend_mark.h"
#include "xen/log_dirty.h"

namespace ferry {
namespace {

bool is_suspended(const Hypervisor& xen, SuspendUndo& life, domid_t domid, bool may_suspend_yet) {
  try {
    if (may_suspend_yet && !get_domain(xen, domid).suspended) life.withdraw_suspend(domid);
    return get_domain(xen, domid).suspended;
  } catch (const Error& e) {
    fail_to_resume(domid, e.what());
  }
}

}  // namespace

void stop_log_of_dead_save(const Hypervisor& xen, domid_t domid) {
  try {
    const DomainLock lock(domid);
    stop_log_dirty(xen, domid);
  } catch (const Error&) {
    // Somebody else saves it.
  }
}

void give_back(const Hypervisor& xen, SuspendUndo& life, domid_t domid, bool may_suspend_yet) {
  stop_log_of_dead_save(xen, domid);
  if (is_suspended(xen, life, domid, may_suspend_yet)) {
    try {
      life.resume(domid);
    } catch (const Error& e) {
      if (e.code() != Errc::needs_operator) clear_suspend_mark(domid);  // it runs all the same
      throw;
    }
  }
  clear_suspend_mark(domid);
}

}  // namespace ferry
