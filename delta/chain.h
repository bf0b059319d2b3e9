// A delta with all that it builds upon, opened as one image.
#pragma once

#include <span>
#include <vector>

#include "io/input_file.h"
#include "pipeline/pipeline.h"
#include "proto/image_file.h"

namespace ferry::delta {

// More than this many deltas, one upon the other, are refused.
inline constexpr size_t kMostLinks = 1024;

// links: the oldest first; one that is no delta may be alone. All but the newest are read whole, to
// prove that each is the very image that the next one names: by its SHA-256. Throws
// Error(bad_image), naming the link that is missing, damaged or another one; Error(io).
ImageFile open_chain(const std::vector<InputFile>& links, Executor& executor);

// Those of `among` that newest builds upon, and newest behind them, by what their ends say; whether
// they are the right ones open_chain() proves. What is no image is passed over. Throws
// Error(bad_image), naming the link whose base is not there.
std::vector<InputFile> find_links(const InputFile& newest, std::span<const InputFile> among);

}  // namespace ferry::delta
