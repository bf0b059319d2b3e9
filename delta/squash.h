// One whole image of a chain of deltas.
#pragma once

#include "io/byte_stream.h"
#include "pipeline/pipeline.h"
#include "proto/image_file.h"

namespace ferry::delta {

struct Squashed {
  uint64_t pages = 0;        // with data
  uint64_t image_bytes = 0;  // written
};

// Writes an image that is no delta and is equal to this one in every page, each once, and in all
// other records but those of kinds that this version does not know. level: of zstd, for records of
// which only some pages are left; others stay as they are. Memory: some 20 bytes a page. Throws
// Error(bad_image), Error(io), and what sink throws.
Squashed squash(const ImageFile& image, ByteSink& sink, Executor& executor, int level);

}  // namespace ferry::delta
