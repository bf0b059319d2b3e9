// A note that a save of ours has asked a domain to suspend: what `ferry resume` goes by when the
// save and whoever started it are both gone.
#pragma once

#include "xen/domain.h"

namespace ferry {

// Makes the note (mode 0600, in run_directory()). If there is one already it is this process's from
// now on: whoever starts a save may take over what its engine noted. Throws Error(io).
void leave_suspend_mark(domid_t domid, const DomainUuid& uuid);

// Removes it, if there is one.
void clear_suspend_mark(domid_t domid) noexcept;
// The same, but not a note that another process has taken over.
void clear_own_suspend_mark(domid_t domid) noexcept;

// For a suspended domain that somebody else is to resume now: the note of this process means
// nothing any more once the domain has run. Throws Error(io).
void expire_own_suspend_mark(const DomainInfo& domain);

// True if there is one for this very domain, not for an earlier one with the same number, and it
// has not expired.
bool has_suspend_mark(const DomainInfo& domain);

}  // namespace ferry
