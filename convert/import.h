// From a libxc stream to an image of ferry's.
#pragma once

#include <optional>

#include "convert/survey.h"
#include "pipeline/pipeline.h"

namespace ferry::convert {

struct ImportOptions {
  int level = 1;                          // of zstd; 0 stores raw pages
  std::optional<v1::Config> config = {};  // for the image; nothing inside an xl file
  std::string origin;                     // for Head.converted_from
};

struct Converted {
  uint64_t pages = 0;  // with a frame
  uint64_t vcpus = 0;
};

// Writes the whole image. Throws Error(bad_image), Error(unsupported), Error(io).
Converted import_stream(const InputFile& file, const StreamPlace& place,
                        const ImportOptions& options, ByteSink& sink, Executor& executor);

}  // namespace ferry::convert
