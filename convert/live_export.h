// An image on its way out, turned into a libxc stream while it is written: for a receiver that has
// Xen's own helper only.
//
//   engine → records of an image → | LibxcSink | → records of libxc
//
// Nothing is kept but the leaves of the p2m; each version of a page goes out as it comes.
#pragma once

#include <memory>

#include "io/byte_stream.h"

namespace ferry::convert {

class LibxcSink final : public ByteSink {
 public:
  explicit LibxcSink(ByteSink& out);
  ~LibxcSink() override;

  // The bytes of an image, from its first to its last, cut anywhere. With the last of them END has
  // gone out. Throws what out throws, and Error(bad_image), Error(unsupported).
  void write(std::span<const std::byte> bytes) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ferry::convert
