// The request to suspend that libxl leaves for a guest in xenstore, when nobody is left to follow
// it up.
#pragma once

#include "xen/domain.h"

namespace ferry {

// Sees to it that the guest runs, now that whoever asked it to suspend is gone: withdraws a request
// the guest has not taken yet, or waits (up to a minute) until the guest has suspended and resumes
// it. Throws Error(needs_operator), saying what to do, if the guest cannot be brought back.
void undo_suspend(const Hypervisor& xen, domid_t domid);

// True if the guest has left word in xenstore that it answers a request to suspend.
bool says_it_can_suspend(domid_t domid);

}  // namespace ferry
