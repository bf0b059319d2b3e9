// What the commands do that look into a guest's kernel.
#pragma once

#include "proto/image_file.h"

namespace ferry::fuzz {

// Writes a core, into a file without a name, finds something, compares it with itself, and reads
// the kernel's log.
void core_of(const ImageFile& image);

}  // namespace ferry::fuzz
