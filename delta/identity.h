// How a delta names its base (proto/image_hash.h), of an image that is there.
#pragma once

#include "base_pages/base_pages.h"
#include "pipeline/pipeline.h"
#include "proto/image_file.h"

namespace ferry::delta {

// Reads all of one file's image: every digest is checked, too. Throws Error(bad_image) naming the
// file, Error(io).
BaseName identify(const ImageFile& link, const std::string& path, Executor& executor);

}  // namespace ferry::delta
