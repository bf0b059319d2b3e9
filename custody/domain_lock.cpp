// One save of a domain at a time, whoever starts it.
#include "custody/domain_lock.h"

#include "error/error.h"
#include "files/run_directory.h"

namespace ferry {
namespace {

FileLock take(domid_t domid) {
  const auto number = static_cast<unsigned>(domid);
  auto lock = FileLock::try_take(fmt::format("{}/domain-{}.lock", run_directory(), number));
  if (!lock) fail(Errc::busy, "domain {} is being saved by somebody else", number);
  return std::move(*lock);
}

}  // namespace

DomainLock::DomainLock(domid_t domid) : lock_(take(domid)) {
}

}  // namespace ferry
