// What the commands do with an image.
#pragma once

#include "proto/image_file.h"

namespace ferry::fuzz {

// Writes a core, into a file without a name, finds something, compares the image with itself, reads
// the kernel's log and its processes.
void core_of(const ImageFile& image);

// Everything that the image commands do with an image, that included.
void look_at(const ImageFile& image);

}  // namespace ferry::fuzz
