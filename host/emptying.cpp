// While this host is emptied it takes no guest.
#include "host/emptying.h"

#include <fcntl.h>
#include <sys/file.h>

#include <chrono>
#include <thread>

#include "error/error.h"
#include "files/run_directory.h"

namespace ferry::host {
namespace {

std::string lock_path() {
  return run_directory() + "/evacuate.lock";
}

}  // namespace

FileLock start_emptying() {
  // Whoever looks whether it is held has a share of it for a moment.
  constexpr auto kMoment = std::chrono::milliseconds(10);
  constexpr int kTries = 100;
  for (int tries = 0; tries < kTries; ++tries) {
    if (auto lock = FileLock::try_take(lock_path())) return std::move(*lock);
    std::this_thread::sleep_for(kMoment);
  }
  fail(Errc::busy, "this host is being emptied already, by another ferry evacuate");
}

bool is_being_emptied() noexcept {
  try {
    const Descriptor file(open(lock_path().c_str(), O_RDONLY | O_CLOEXEC));
    return file && flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace ferry::host
