// What the base of a delta says of its pages, read by a process without rights.
#pragma once

#include <string>
#include <vector>

#include "base_pages/base_pages.h"
#include "files/held_files.h"

namespace ferry::host {

// files: the base, behind what it builds upon, the oldest first; if there is the base alone, and it
// is a delta itself, the rest is looked for in its folder. confined: false reads it in this
// process, for finding faults; otherwise this process has one thread, and nothing of Xen open.
// Throws Error.
// Or files is one file of page hashes (page_hashes.h): eight bytes, numbers in their places and a
// digest, which this process reads itself.
// held: gets all that the base is made of.
BasePages read_base(const std::vector<std::string>& files, bool confined, HeldFiles& held);

}  // namespace ferry::host
