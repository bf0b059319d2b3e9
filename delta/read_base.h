// What an image says of each page, for a save that leaves out what is still the same.
#pragma once

#include <vector>

#include "base_pages/base_pages.h"
#include "io/input_file.h"
#include "pipeline/pipeline.h"

namespace ferry::delta {

// links: as of open_chain(); the newest is what the delta will name. Reads all of it twice: for
// its name, and for its pages. Throws Error(bad_image) for what is no sound image or says nothing
// of some pfns, Error(unsupported) if it has more pfns than `into` has room for, Error(io).
void read_base(const std::vector<InputFile>& links, BasePages& into, Executor& executor);

}  // namespace ferry::delta
