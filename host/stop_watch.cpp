// Watches for everything that means "stop": signals, and libxl going away.
#include "host/stop_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>

#include "error/error.h"
#include "host/stop_signals.h"

namespace ferry::helper {

StopWatch::StopWatch(int replies_fd) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  if (!host::hang_up_is_ignored()) sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, &mask_before_);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC);
  end_ = eventfd(0, EFD_CLOEXEC);
  if (signals_ < 0 || end_ < 0) fail_errno(Errc::internal, errno, "cannot watch for signals");
  thread_ = std::thread([this, replies_fd] { watch(replies_fd); });
}

StopWatch::~StopWatch() {
  eventfd_write(end_, 1);
  thread_.join();
  close(signals_);
  sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
  close(end_);
}

void StopWatch::watch(int replies_fd) {
  // No events asked of the pipe: its hang-up is reported all the same.
  pollfd fds[] = {{signals_, POLLIN, 0}, {replies_fd, 0, 0}, {end_, POLLIN, 0}};
  for (;;) {
    if (poll(fds, 3, -1) < 0) continue;
    if (fds[2].revents) return;
    if (fds[0].revents) {
      signalfd_siginfo info;
      if (read(signals_, &info, sizeof info) < 0) continue;
    }
    if (!fds[0].revents && !fds[1].revents) continue;
    stop();
    if (fds[1].revents) fds[1].fd = -1;  // reported once is enough
  }
}

}  // namespace ferry::helper
