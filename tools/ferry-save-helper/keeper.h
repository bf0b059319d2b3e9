// Keeps a guest's lock after the helper has reported success, until xl has done with the guest what
// it does then: destroys it, or lets it run. xl does either without a word to us.
#pragma once

#include "custody/domain_lock.h"
#include "xen/domain.h"

namespace ferry::helper {

// Starts a process of its own that holds the lock from now on: until the domain is gone, is another
// one, or is not suspended any more, or whoever started this helper has ended. It has no other
// descriptor of xl's. Without such a process (no memory) the lock goes with this one.
void keep_lock_until_let_go(DomainLock& lock, const DomainInfo& domain);

// That process: ferry-save-helper --keep-lock DOMID UUID FD PIDFD. Returns its exit status.
int run_keeper(char** argv);

}  // namespace ferry::helper
