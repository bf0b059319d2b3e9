// A piece of an image on its way through a destination: read into memory that is used again, and
// copied nowhere until it is handed on.
#pragma once

#include <cstdint>
#include <span>

#include "io/byte_stream.h"

namespace ferry {

inline constexpr size_t kChunkBytes = 1 << 20;  // of the image in a frame

struct ImageChunk {
  uint64_t number = 0;
  Bytes memory;     // as much as there ever was need for
  size_t size = 0;  // of it in use

  std::span<const std::byte> bytes() const { return std::span(memory).first(size); }
  // Room for so many bytes; what was in it is gone.
  std::span<std::byte> room_for(size_t count) {
    if (memory.size() < count) memory = Bytes(count);
    size = count;
    return std::span(memory).first(count);
  }
};

}  // namespace ferry
