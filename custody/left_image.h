// The image of a save that was broken off when it had its name, and its guest was not let go yet.
#pragma once

#include "xen/domain.h"

namespace ferry {

// The guest runs on, or is elsewhere by now: an image that the note of its suspension names is
// older, and would be a second guest. It goes if it still is that very file, and otherwise, or of a
// device, it is said on standard error what it is. Throws Error(io) if the note cannot be read.
void withdraw_left_image(const DomainInfo& domain);

// A delta that builds upon it, or upon what builds upon it, is about to be written: it stays, the
// note forgets it, and it is said on standard error what it is. Throws Error(io).
void keep_left_image(const DomainInfo& domain);

}  // namespace ferry
