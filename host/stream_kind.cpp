// Tells what a stream is from its first bytes, without taking them from it.
#include "host/stream_kind.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <span>
#include <thread>

#include "error/error.h"
#include "proto/record.h"

namespace ferry::helper {
namespace {

using First = std::array<std::byte, kMagicRecord>;

// A pipe's first bytes come again and again while the writer has not written more.
constexpr auto kLookAgain = std::chrono::milliseconds(5);

ssize_t look_into_pipe(int fd, First& first) {
  int copy[2];
  if (pipe2(copy, O_CLOEXEC) != 0) return -1;
  ssize_t n = tee(fd, copy[1], first.size(), SPLICE_F_NONBLOCK);
  if (n > 0) n = read(copy[0], first.data(), static_cast<size_t>(n));
  const int saved = errno;
  close(copy[0]);
  close(copy[1]);
  errno = saved;
  return n;
}

ssize_t look(int fd, First& first, mode_t type) {
  if (S_ISREG(type) || S_ISBLK(type))
    return pread(fd, first.data(), first.size(), lseek(fd, 0, SEEK_CUR));
  if (S_ISSOCK(type)) return recv(fd, first.data(), first.size(), MSG_PEEK | MSG_DONTWAIT);
  return look_into_pipe(fd, first);
}

bool at_end(int fd) {
  pollfd p = {fd, POLLIN, 0};
  return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

void wait_for_bytes(int fd, int wake_fd) {
  pollfd fds[] = {{fd, POLLIN, 0}, {wake_fd, POLLIN, 0}};
  while (poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  if (fds[1].revents) fail(Errc::aborted, "told to stop");
}

bool libxc_marker(std::span<const std::byte> bytes) {
  return bytes.size() >= 8 && std::all_of(bytes.begin(), bytes.begin() + 8,
                                          [](std::byte b) { return b == std::byte{0xff}; });
}

}  // namespace

StreamKind stream_kind(int fd, int wake_fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) fail_errno(Errc::io, errno, "cannot look at the stream");
  First first{};
  for (size_t last = 0;;) {
    wait_for_bytes(fd, wake_fd);
    ssize_t n = look(fd, first, status.st_mode);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail_errno(Errc::io, errno, "cannot look at the stream");
    const auto bytes = std::span(first).first(static_cast<size_t>(n));
    if (libxc_marker(bytes)) return StreamKind::libxc;
    if (looks_like_image(bytes)) return StreamKind::ferry;
    if (bytes.size() == first.size() || bytes.empty() || S_ISREG(status.st_mode))
      return StreamKind::unknown;
    if (bytes.size() == last && at_end(fd)) return StreamKind::unknown;
    last = bytes.size();
    std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace ferry::helper
