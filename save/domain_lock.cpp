// One save of a domain at a time, whoever starts it.
#include "save/domain_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "error/error.h"

namespace ferry {
namespace {

// The holder removes the file when it is done, so what we locked may be a file without a name.
bool still_named(int fd, const std::string& path) {
  struct stat ours = {}, named = {};
  return fstat(fd, &ours) == 0 && stat(path.c_str(), &named) == 0 && ours.st_ino == named.st_ino &&
         ours.st_dev == named.st_dev;
}

}  // namespace

std::string run_directory() {
  const char* set = std::getenv("FERRY_RUN_DIR");
  std::string directory = set ? set : "/run/ferry";
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    fail_errno(Errc::io, errno, fmt::format("cannot make {}", directory));
  return directory;
}

DomainLock::DomainLock(domid_t domid)
    : path_(fmt::format("{}/domain-{}.lock", run_directory(), static_cast<unsigned>(domid))) {
  for (;;) {
    fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) fail_errno(Errc::io, errno, fmt::format("cannot open {}", path_));
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      const int os_errno = errno;
      close(fd_);
      if (os_errno == EWOULDBLOCK)
        fail(Errc::busy, "domain {} is being saved by somebody else", static_cast<unsigned>(domid));
      fail_errno(Errc::io, os_errno, fmt::format("cannot lock {}", path_));
    }
    if (still_named(fd_, path_)) return;
    close(fd_);
  }
}

DomainLock::~DomainLock() {
  unlink(path_.c_str());
  close(fd_);
}

}  // namespace ferry
