// "Stop", as work that looks now and then and whoever waits for a slow file both hear it.
#include "host/stop_event.h"

#include <sys/eventfd.h>

#include <cerrno>

#include "error/error.h"

namespace ferry::helper {

StopEvent::StopEvent() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) fail_errno(Errc::internal, errno, "cannot make an event");
}

void StopEvent::stop() noexcept {
  const int saved = errno;
  stopped_ = true;
  eventfd_write(wake_.get(), 1);
  errno = saved;
}

void StopEvent::reset() noexcept {
  eventfd_t count = 0;
  eventfd_read(wake_.get(), &count);
  stopped_ = false;
}

}  // namespace ferry::helper
