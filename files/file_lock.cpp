// A lock that one process at a time holds.
#include "files/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

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

std::optional<FileLock> FileLock::try_take(const std::string& path) {
  for (;;) {
    Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file) fail_errno(Errc::io, errno, fmt::format("cannot open {}", path));
    if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      const int os_errno = errno;
      if (os_errno == EWOULDBLOCK) return std::nullopt;
      // The file may be ours alone, made just now: it goes if it is.
      if (flock(file.get(), LOCK_EX | LOCK_NB) == 0 && still_named(file.get(), path))
        unlink(path.c_str());
      fail_errno(Errc::io, os_errno, fmt::format("cannot lock {}", path));
    }
    if (still_named(file.get(), path)) return FileLock(path, std::move(file));
  }
}

FileLock FileLock::adopt(const std::string& path, Descriptor file) {
  if (!still_named(file.get(), path) || flock(file.get(), LOCK_EX | LOCK_NB) != 0)
    fail(Errc::io, "descriptor {} does not hold the lock {}", file.get(), path);
  FileLock lock(path, std::move(file));
  lock.keep_file_ = true;
  return lock;
}

FileLock::~FileLock() {
  if (file_ && !keep_file_) unlink(path_.c_str());
}

}  // namespace ferry
