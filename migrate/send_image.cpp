// An image on its way to another host.
#include "migrate/send_image.h"

#include <sys/socket.h>

#include <cerrno>

#include "error/error.h"

namespace ferry {

ImageSender::ImageSender(std::vector<Link*> links, Patience& patience) : patience_(patience) {
  int ends[2];
  // Not a pipe: a socket can be shut down under those who wait for it.
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    fail_errno(Errc::io, errno, "cannot connect the engine with the network");
  input_.reset(ends[0]);
  output_.reset(ends[1]);
  for (Link* link : links) threads_.emplace_back([this, link] { pump(*link); });
}

ImageSender::~ImageSender() {
  stop();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

void ImageSender::stop() const {
  shutdown(output_.get(), SHUT_RDWR);
}

uint64_t ImageSender::read_chunk(Bytes& chunk) {
  const std::lock_guard lock(reading_);
  chunk.resize(kChunkBytes);
  chunk.resize(FdSource(output_.get(), "the engine").read(chunk));
  bytes_ += chunk.size();
  return chunk.empty() ? next_ : next_++;
}

void ImageSender::pump(Link& link) {
  try {
    Bytes chunk;
    for (;;) {
      const uint64_t number = read_chunk(chunk);
      if (chunk.empty()) return;
      const Patience::Waiting taking(patience_);
      link.send_chunk(number, chunk);
    }
  } catch (...) {
    const std::lock_guard lock(failing_);
    if (!failure_) failure_ = std::current_exception();
    stop();
  }
}

void ImageSender::finish() {
  input_.reset();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (failure_) std::rethrow_exception(failure_);
}

}  // namespace ferry
