// From an image of ferry's to a libxc stream of version 3.
#pragma once

#include "convert/import.h"
#include "proto/image_file.h"

namespace ferry::convert {

// Writes the whole stream, END included. The image's digests are verified on the way: on Error
// (bad_image, io) what was written is worth nothing.
Converted export_stream(const ImageFile& image, ByteSink& sink, Executor& executor);

}  // namespace ferry::convert
