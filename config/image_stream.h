// An image that comes as a stream: its configuration is wanted before all the rest has come.
#pragma once

#include <memory>

#include "config/config_record.h"
#include "io/byte_stream.h"

namespace ferry {

// A bare image, or a file of xl with one, from a pipe. It takes from the source exactly what
// belongs to the image and to xl's header before it.
class ImageStream final : public ByteSource {
 public:
  explicit ImageStream(ByteSource& source);
  ~ImageStream() override;

  // First, and once. Throws Error(bad_image), also where no configuration comes before the first
  // page; Error(unsupported), Error(io).
  SavedConfig config();

  // The image from its first byte to its End, record by record, each with its digest checked.
  // Throws Error(bad_image), Error(io).
  size_t read(std::span<std::byte> into) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ferry
