// A save that nobody disturbs and that leaves a trace: what every program runs that saves a domain.
#pragma once

#include "custody/guest_custody.h"
#include "save/save.h"

namespace ferry {

// save_domain() of a guest in custody, with the note made before the guest is asked to suspend.
// sync brings what sink took to where it is safe; afterwards Xen is asked once more whether the
// guest still is as it was read. Whoever has it in custody then gives it back or lets it go. Throws
// what save_domain() and sync throw, and Error(guest).
SaveResult save_domain_locked(GuestCustody& guest, ByteSink& sink, Executor& executor,
                              const SaveOptions& options, const SaveCallbacks& callbacks,
                              const std::function<void()>& sync);

}  // namespace ferry
