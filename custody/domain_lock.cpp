// One at a time is responsible for a domain.
#include "custody/domain_lock.h"

#include <chrono>
#include <thread>

#include "error/error.h"
#include "files/run_directory.h"

namespace ferry {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(50);

std::string path_of(domid_t domid) {
  return fmt::format("{}/domain-{}.lock", run_directory(), static_cast<unsigned>(domid));
}

FileLock take(domid_t domid) {
  auto lock = FileLock::try_take(path_of(domid));
  if (!lock)
    fail(Errc::busy,
         "domain {} is in other hands: a save, a migration or another command of ferry works on it",
         static_cast<unsigned>(domid));
  return std::move(*lock);
}

}  // namespace

DomainLock::DomainLock(domid_t domid) : lock_(take(domid)) {
}

DomainLock DomainLock::adopt(domid_t domid, int fd) {
  return DomainLock(FileLock::adopt(path_of(domid), Descriptor(fd)));
}

DomainLock DomainLock::keep(domid_t domid, int fd) {
  DomainLock lock = adopt(domid, fd);
  lock.lock_.take_charge();
  return lock;
}

std::optional<DomainLock> DomainLock::try_take(domid_t domid) {
  auto lock = FileLock::try_take(path_of(domid));
  if (!lock) return std::nullopt;
  return DomainLock(std::move(*lock));
}

DomainLock DomainLock::wait_for(domid_t domid, const std::function<bool()>& wanted) {
  for (;;) {
    if (auto lock = try_take(domid)) return std::move(*lock);
    if (!wanted())
      fail(Errc::aborted, "told to stop while domain {} is in other hands",
           static_cast<unsigned>(domid));
    std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace ferry
