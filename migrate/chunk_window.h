// Chunks of one byte stream that arrive over several connections, put back into order.
//
// Each connection delivers ascending numbers, so the chunk that is wanted next is behind none that
// has to wait: however small the window, it gets here.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <optional>

#include "migrate/image_chunk.h"

namespace ferry {

class ChunkWindow {
 public:
  // Chunks that wait for an earlier one: bounds the memory, whatever a peer sends.
  explicit ChunkWindow(uint64_t chunks) : window_(chunks) {}

  // From any thread. Waits while the chunk is too far ahead. False once the stream has failed: the
  // chunk is dropped. Throws Error(io) for a number that was there before or is beyond the end.
  bool put(ImageChunk chunk);
  // The stream has so many chunks. Throws Error(io) if there were more already.
  void end(uint64_t chunks);
  // Nothing more will come; take() throws it, unless the stream is whole.
  void fail(std::exception_ptr why);

  // The next chunk in order, or nothing at the end. From one thread.
  std::optional<ImageChunk> take();

 private:
  const uint64_t window_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, ImageChunk> waiting_;
  uint64_t next_ = 0;
  std::optional<uint64_t> end_;
  std::exception_ptr failure_;
};

}  // namespace ferry
