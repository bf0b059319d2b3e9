// Finds the image in a file. Private to this folder.
#pragma once

#include "io/input_file.h"
#include "proto/image_file.h"

namespace ferry {

// Where the image lies, from what is in front of it and behind it; its own End is not looked at
// yet. Throws Error(bad_image), saying what the file seems to be, or Error(io).
ImagePlace find_image(const InputFile& file);

}  // namespace ferry
