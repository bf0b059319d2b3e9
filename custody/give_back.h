// A guest that a save, or a migration, leaves where it is: it runs again, as if nothing had been.
#pragma once

#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry {

// Turns off a dirty log that a killed engine left on, resumes the guest if it is suspended, and
// removes the note of its suspension (custody/suspend_mark.h). The domain's lock must be free for
// the log: if somebody else saves the domain by now, the log is theirs.
//
// may_suspend_yet: it was asked to suspend, and nobody has seen it do so; then the request is
// withdrawn first or, if it is too late for that, the suspension waited for.
//
// Throws Error(needs_operator), naming the command that brings the guest back; the note is still
// there then.
void give_back(const Hypervisor& xen, SuspendUndo& life, domid_t domid, bool may_suspend_yet);

// Its first part, for a guest that was never asked to suspend.
void stop_log_of_dead_save(const Hypervisor& xen, domid_t domid);

}  // namespace ferry
