// The hash by which a delta names its base: SHA-256 over the SHA-256 of each record, in order.
//
//   | SHA-256 of record 0, 32 | SHA-256 of record 1, 32 | … | SHA-256 of End, 32 |  →  SHA-256
//
// So it is known after one pass, and the records of one image are hashed on all cores.
#pragma once

#include "base_pages/base_pages.h"
#include "pipeline/pipeline.h"
#include "proto/image_file.h"

namespace ferry::delta {

// Reads all of one file's image: every digest is checked, too. Throws Error(bad_image) naming the
// file, Error(io).
BaseName identify(const ImageFile& link, const std::string& path, Executor& executor);

}  // namespace ferry::delta
