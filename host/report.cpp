// How the helper tells libxl, and so the operator, what happens.
#include "host/report.h"

namespace ferry::helper {
namespace {

constexpr auto kBetween = std::chrono::milliseconds(250);

// libxl wants an errno with every failure.
int errno_of(const Error& error) {
  if (error.os_errno() != 0) return error.os_errno();
  switch (error.code()) {
    case Errc::no_memory:
      return ENOMEM;
    case Errc::no_domain:
      return ESRCH;
    case Errc::busy:
      return EBUSY;
    case Errc::aborted:
      return EINTR;
    case Errc::unsupported:
      return EOPNOTSUPP;
    case Errc::io:
      return EIO;
    default:
      return EINVAL;
  }
}

}  // namespace

bool ProgressReport::due(bool last) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_ && !last) return false;
  next_ = now + kBetween;
  return true;
}

void ProgressReport::update(const Progress& progress) {
  if (!due(progress.pages_done == progress.pages_total)) return;
  channel_.progress(progress.what, progress.pages_done, progress.pages_total);
}

void report_failure(Channel& channel, const Error& error) {
  channel.log(Level::error, error.what());
  channel.complete(-1, errno_of(error));
}

}  // namespace ferry::helper
