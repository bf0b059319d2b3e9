// A pipe to or from a program that may hang.
#include "host/cuttable_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "error/error.h"

namespace ferry::host {
namespace {

bool is_ready(int fd, short events) {
  pollfd one = {fd, events, 0};
  return poll(&one, 1, 0) > 0;
}

// False once it is cut.
bool wait(int fd, short events, const Cutter& cutter) {
  pollfd fds[] = {{fd, events, 0}, {cutter.descriptor(), POLLIN, 0}};
  while (poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  return !fds[1].revents;
}

void do_not_block(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

}  // namespace

Cutter::Cutter() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) fail_errno(Errc::internal, errno, "cannot make an event");
}

const char* Cutter::why() const {
  const char* why = why_;
  return why ? why : "the connection to the other host was cut";
}

void Cutter::cut(const char* why) noexcept {
  const int saved = errno;
  const char* none = nullptr;
  why_.compare_exchange_strong(none, why);
  eventfd_write(event_.get(), 1);
  errno = saved;
}

bool Cutter::is_cut() const {
  pollfd event = {event_.get(), POLLIN, 0};
  return poll(&event, 1, 0) > 0;
}

CuttableSource::CuttableSource(int fd, const Cutter& cutter, size_t last_bytes)
    : fd_(fd), cutter_(cutter), last_bytes_(last_bytes) {
  do_not_block(fd);
}

size_t CuttableSource::read(std::span<std::byte> into) {
  size_t done = 0;
  while (done < into.size()) {
    size_t most = into.size() - done;
    const bool cut = !wait(fd_, POLLIN, cutter_);
    if (cut && (last_bytes_ == 0 || !is_ready(fd_, POLLIN))) fail(Errc::io, "{}", cutter_.why());
    if (cut) most = std::min(most, last_bytes_);
    const ssize_t n = ::read(fd_, into.data() + done, most);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail_errno(Errc::io, errno, "cannot read from the other host");
    if (n == 0) break;
    done += static_cast<size_t>(n);
    if (cut) last_bytes_ -= static_cast<size_t>(n);
  }
  return done;
}

CuttableSink::CuttableSink(int fd, const Cutter& cutter) : fd_(fd), cutter_(cutter) {
  do_not_block(fd);
}

void CuttableSink::write(std::span<const std::byte> bytes) {
  if (cutter_.is_cut() && write_last_word(bytes)) return;
  while (!bytes.empty()) {
    if (!wait(fd_, POLLOUT, cutter_)) {
      torn_ = true;
      fail(Errc::io, "{}", cutter_.why());
    }
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail_errno(Errc::io, errno, "cannot write to the other host");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

bool CuttableSink::write_last_word(std::span<const std::byte> bytes) {
  if (torn_ || bytes.size() > PIPE_BUF || !is_ready(fd_, POLLOUT)) return false;
  if (::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return false;
  wrote_last_word_ = true;
  return true;
}

}  // namespace ferry::host
