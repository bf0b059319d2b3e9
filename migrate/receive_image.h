// An image that arrives from another host, over all connections of a job at once.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "migrate/chunk_window.h"
#include "migrate/link.h"

namespace ferry {

// links → | a thread for each link: receives chunks | → window, in order → take
class ImageReceiver {
 public:
  // The first link says where the image ends.
  explicit ImageReceiver(std::vector<Link*> links);
  // Waits until no link is read any more: at the end of the image, or when the source hung up or
  // said something else.
  ~ImageReceiver();
  ImageReceiver(const ImageReceiver&) = delete;
  ImageReceiver& operator=(const ImageReceiver&) = delete;

  // Hands on all bytes in order. Throws what take threw, Error(io) for a broken link, and
  // Error(aborted) if the source said before the end that it keeps the guest.
  void run(const std::function<void(std::span<const std::byte>)>& take);

 private:
  void receive(Link& link, bool first);
  // False after the last frame of the image on this link.
  bool accept(const v1::MigrateFrame& frame, ImageChunk chunk, bool first);
  void ended(std::exception_ptr why);
  Bytes spare();

  ChunkWindow window_;
  std::mutex mutex_;
  size_t receiving_;
  std::vector<Bytes> spare_;  // memory of chunks, at most as many as the window has
  std::vector<std::thread> threads_;
};

}  // namespace ferry
