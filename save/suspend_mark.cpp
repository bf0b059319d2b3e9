// A note that a save of ours has asked a domain to suspend.
#include "save/suspend_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "error/error.h"
#include "save/domain_lock.h"

namespace ferry {
namespace {

std::string mark_path(domid_t domid) {
  return fmt::format("{}/domain-{}.suspended", run_directory(), static_cast<unsigned>(domid));
}

}  // namespace

void leave_suspend_mark(domid_t domid, const DomainUuid& uuid) {
  const std::string path = mark_path(domid);
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && write(fd, uuid.data(), uuid.size()) == ssize_t{sizeof uuid};
  const int os_errno = errno;
  if (fd >= 0) close(fd);
  if (!written) fail_errno(Errc::io, os_errno, fmt::format("cannot write {}", path));
}

void clear_suspend_mark(domid_t domid) {
  unlink(mark_path(domid).c_str());
}

bool has_suspend_mark(domid_t domid, const DomainUuid& uuid) {
  const int fd = open(mark_path(domid).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  DomainUuid marked{};
  const bool whole = read(fd, marked.data(), marked.size()) == ssize_t{sizeof marked};
  close(fd);
  return whole && marked == uuid;
}

}  // namespace ferry
