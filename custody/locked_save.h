// A save that nobody disturbs and that leaves a trace: what every program runs that saves a domain.
#pragma once

#include "save/save.h"

namespace ferry {

// save_domain() under the domain's lock (custody/domain_lock.h), with a note
// (custody/suspend_mark.h) made before the guest is asked to suspend. sync, which brings what sink
// took to where it is safe, still runs under the lock. The caller removes the note when the guest
// is somebody's again. Throws what save_domain() and sync throw, and Error(busy).
SaveResult save_domain_locked(const Hypervisor& xen, domid_t domid, ByteSink& sink,
                              Executor& executor, const SaveOptions& options,
                              const SaveCallbacks& callbacks, const std::function<void()>& sync);

}  // namespace ferry
