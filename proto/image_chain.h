// Files that are one image together: an image, and deltas upon it. Private to this folder.
#pragma once

#include <memory>
#include <vector>

#include "io/input_file.h"
#include "proto/image_source.h"

namespace ferry {

// links: the oldest first, at least one. What must hold is said at ImageFile::open_chain().
std::shared_ptr<const ImageSource> open_image_chain(const std::vector<InputFile>& links);

}  // namespace ferry
