// The images of saves that were broken off when each had its name, and its guest was not let go
// yet.
#pragma once

#include <vector>

#include "files/named_file.h"
#include "xen/domain.h"

namespace ferry {

// The guest runs on, or is elsewhere by now: the images that the note of its suspension names are
// older, and would be a second guest. Each goes if it still is that very file; otherwise, of a
// device, and if it is not there, it is said on standard error what it is. Throws Error(io) if the
// note cannot be read.
void withdraw_left_images(const DomainInfo& domain);
// Those that an image takes the place of which has its name by now: the same.
void replace_left_images(const std::vector<NamedFile>& earlier, const NamedFile& by);

// A delta that builds upon one of them, or upon what builds upon it, is about to be written: they
// stay, the note forgets them, and it is said on standard error what they are. Throws Error(io).
void keep_left_images(const DomainInfo& domain);

// Throws Error(needs_operator) if the note of its suspension names one, whether that is still there
// or not: it may have been moved and restored elsewhere, so nobody lets the guest run unasked.
void refuse_left_image(const DomainInfo& domain);

}  // namespace ferry
