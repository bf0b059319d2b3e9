// Chunks that arrive over several connections, put back into order.
#include "migrate/chunk_window.h"

#include "error/error.h"

namespace ferry {

bool ChunkWindow::put(ImageChunk chunk) {
  const uint64_t number = chunk.number;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || number < next_ + window_; });
  if (failure_) return false;
  if (number < next_ || (end_ && number >= *end_) ||
      !waiting_.try_emplace(number, std::move(chunk)).second)
    ferry::fail(Errc::io, "the other host sent piece {} of the image out of turn", number);
  changed_.notify_all();
  return true;
}

void ChunkWindow::end(uint64_t chunks) {
  const std::lock_guard lock(mutex_);
  if (next_ > chunks || (!waiting_.empty() && waiting_.rbegin()->first >= chunks))
    ferry::fail(Errc::io, "the other host sent more of the image than it said");
  end_ = chunks;
  changed_.notify_all();
}

void ChunkWindow::fail(std::exception_ptr why) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(why);
  changed_.notify_all();
}

std::optional<ImageChunk> ChunkWindow::take() {
  std::unique_lock lock(mutex_);
  const auto arrived = [&] { return !waiting_.empty() && waiting_.begin()->first == next_; };
  changed_.wait(lock, [&] { return arrived() || end_ == next_ || failure_; });
  if (!arrived()) {
    if (end_ == next_) return std::nullopt;
    std::rethrow_exception(failure_);
  }
  auto node = waiting_.extract(waiting_.begin());
  ++next_;
  changed_.notify_all();
  return std::move(node.mapped());
}

}  // namespace ferry
