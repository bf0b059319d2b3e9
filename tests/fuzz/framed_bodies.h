// Images as a fuzzer can change them: bodies of records without framing, which is put around them.
#pragma once

#include "proto/record.h"

namespace ferry::fuzz {

// | kind 1 | length 2 | body | … becomes Magic, a record of each, and End, all digests right. What
// cannot be a record is cut to what can.
Bytes image_of_bodies(std::span<const std::byte> input);

// The other way: the bodies of an image whose bodies are all below 64 KiB.
Bytes bodies_of_image(const Bytes& image);

}  // namespace ferry::fuzz
