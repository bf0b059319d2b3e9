// Bytes in and out of file descriptors.
#include "io/byte_stream.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "error/error.h"

namespace ferry {
namespace {

// The descriptor may have come to us non-blocking (libxl and ssh both do that): wait instead.
void wait_for(int fd, short events) {
  pollfd one{fd, events, 0};
  ::poll(&one, 1, -1);
}

}  // namespace

void FdSink::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      wait_for(fd_, POLLOUT);
    } else if (errno != EINTR) {
      fail_errno(Errc::io, errno, fmt::format("cannot write to {}", name_));
    }
  }
}

size_t FdSource::read(std::span<std::byte> into) {
  size_t done = 0;
  while (done < into.size()) {
    const ssize_t n = ::read(fd_, into.data() + done, into.size() - done);
    if (n == 0) break;
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      wait_for(fd_, POLLIN);
    } else if (errno != EINTR) {
      fail_errno(Errc::io, errno, fmt::format("cannot read from {}", name_));
    }
  }
  return done;
}

size_t MemorySource::read(std::span<std::byte> into) {
  const size_t n = std::min(into.size(), rest_.size());
  std::copy_n(rest_.begin(), n, into.begin());
  rest_ = rest_.subspan(n);
  return n;
}

}  // namespace ferry
