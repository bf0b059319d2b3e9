// The descriptor that carries the image, read and written so that a stop is never waited out.
#include "host/stoppable_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "error/error.h"

namespace ferry::helper {

StoppableFd::StoppableFd(int fd, const StopEvent& stop) : fd_(fd), stop_(stop) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) fail_errno(Errc::io, errno, "the stream's descriptor is unusable");
  if (!S_ISFIFO(status.st_mode) && !S_ISSOCK(status.st_mode)) return;
  flags_ = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, flags_ | O_NONBLOCK);
}

StoppableFd::~StoppableFd() {
  if (flags_ >= 0) fcntl(fd_, F_SETFL, flags_);
}

void StoppableFd::wait(short events) const {
  pollfd fds[] = {{fd_, events, 0}, {stop_.wake_fd(), POLLIN, 0}};
  while (poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  if (fds[1].revents || stop_.stopped()) fail(Errc::aborted, "told to stop");
}

void StoppableSink::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    fd_.wait(POLLOUT);
    ssize_t n = ::write(fd_.fd(), bytes.data(), bytes.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail_errno(Errc::io, errno, "cannot write the image");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

void StoppableSink::wait_until_taken() const {
  constexpr int kLookMs = 10;  // nothing tells of a pipe that it is empty
  struct stat status = {};
  if (fstat(fd_.fd(), &status) != 0 || !S_ISFIFO(status.st_mode)) return;
  for (bool first = true;; first = false) {
    pollfd fds[] = {{fd_.fd(), 0, 0}, {stop_.wake_fd(), POLLIN, 0}};
    if (poll(fds, 2, first ? 0 : kLookMs) < 0 && errno != EINTR)
      fail_errno(Errc::io, errno, "cannot write the image");
    int left = 0;
    if (ioctl(fd_.fd(), FIONREAD, &left) != 0 || left == 0) return;
    if (stop_.stopped()) fail(Errc::aborted, "told to stop");
    if (fds[0].revents & POLLERR)
      fail(Errc::io, "cannot write the image: its reader has left {} bytes of it in the pipe",
           left);
  }
}

size_t StoppableSource::read(std::span<std::byte> into) {
  size_t done = 0;
  while (done < into.size()) {
    fd_.wait(POLLIN);
    ssize_t n = ::read(fd_.fd(), into.data() + done, into.size() - done);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail_errno(Errc::io, errno, "cannot read the image");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

}  // namespace ferry::helper
