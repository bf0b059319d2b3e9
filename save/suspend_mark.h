// A note that a save of ours has asked a domain to suspend: what `ferry resume` goes by when the
// save and whoever started it are both gone.
#pragma once

#include <array>
#include <string>

#include "p2m/frames.h"

namespace ferry {

using DomainUuid = std::array<uint8_t, 16>;

// Makes the note (mode 0600, in run_directory()). Throws Error(io).
void leave_suspend_mark(domid_t domid, const DomainUuid& uuid);

// Removes it, if there is one.
void clear_suspend_mark(domid_t domid);

// True if there is one for this very domain, not for an earlier one with the same number.
bool has_suspend_mark(domid_t domid, const DomainUuid& uuid);

}  // namespace ferry
