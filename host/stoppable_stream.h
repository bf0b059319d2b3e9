// The descriptor that carries the image, read and written so that a stop is never waited out.
#pragma once

#include "host/stop_event.h"
#include "io/byte_stream.h"

namespace ferry::helper {

// A pipe or a socket is non-blocking while this lives, and then what it was: libxl wants it back
// blocking. Files and terminals are left alone. Sink and source throw Error(aborted) when stopped,
// Error(io) when the descriptor fails.
class StoppableFd {
 public:
  StoppableFd(int fd, const StopEvent& stop);
  ~StoppableFd();
  StoppableFd(const StoppableFd&) = delete;
  StoppableFd& operator=(const StoppableFd&) = delete;

  int fd() const { return fd_; }
  // Waits until the descriptor is ready for events (POLLIN, POLLOUT).
  void wait(short events) const;

 private:
  int fd_;
  int flags_ = -1;  // to be set again
  const StopEvent& stop_;
};

class StoppableSink final : public ByteSink {
 public:
  StoppableSink(int fd, const StopEvent& stop) : fd_(fd, stop), stop_(stop) {}
  void write(std::span<const std::byte> bytes) override;

  // What was written into a pipe is lost if its reader leaves: waits until that has taken all of
  // it. Throws Error(io) if it leaves before, Error(aborted). Of anything else returns at once.
  void wait_until_taken() const;

 private:
  StoppableFd fd_;
  const StopEvent& stop_;
};

class StoppableSource final : public ByteSource {
 public:
  StoppableSource(int fd, const StopEvent& stop) : fd_(fd, stop) {}
  size_t read(std::span<std::byte> into) override;

 private:
  StoppableFd fd_;
};

}  // namespace ferry::helper
