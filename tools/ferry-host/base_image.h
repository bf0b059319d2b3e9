// Whether a file is the image that page hashes stand for.
#pragma once

#include <string>

#include "base_pages/base_pages.h"

namespace ferry::host {

// By its length and by what its End record says (docs/format.md), which is near the end; nothing is
// parsed. False for what cannot be read.
bool is_image_called(const BaseName& name, const std::string& path) noexcept;

}  // namespace ferry::host
