// Files that what is being written builds upon.
#include "files/held_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "error/error.h"
#include "files/run_directory.h"

namespace ferry {
namespace {

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Whoever writes to a file can put its time of change back, but not that of its inode.
bool unchanged(const struct stat& was, const struct stat& now) {
  return is_same(was, now) && was.st_size == now.st_size &&
         was.st_ctim.tv_sec == now.st_ctim.tv_sec && was.st_ctim.tv_nsec == now.st_ctim.tv_nsec;
}

// Another file may get the number of one that was removed.
std::string note_path(const NamedFile& file) {
  return fmt::format("{}/base-{:x}-{:x}-{:x}-{:x}", run_directory(), file.device, file.inode,
                     file.bytes, file.changed_ns);
}

}  // namespace

void HeldFiles::hold(int fd, const std::string& path) {
  Held file{Descriptor(fcntl(fd, F_DUPFD_CLOEXEC, 0)), path};
  if (!file.fd || fstat(file.fd.get(), &file.was) != 0)
    fail_errno(Errc::io, errno, fmt::format("cannot look at {}", path));
  // Where nothing can be locked, check() is all that there is.
  if (flock(file.fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    fail(Errc::busy, "{} is being written by a save: nothing can build upon it now", path);
  files_.push_back(std::move(file));
}

void HeldFiles::check() const {
  for (const Held& file : files_) {
    struct stat now = {};
    if (stat(file.path.c_str(), &now) != 0 || !unchanged(file.was, now))
      fail(Errc::io,
           "{} is not what it was when the save began: what builds upon it could not be restored",
           file.path);
  }
}

void HeldFiles::note_built_upon() const {
  for (const Held& file : files_) {
    const std::string path = note_path(named_file(file.fd.get(), file.path));
    if (!Descriptor(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)))
      fail_errno(Errc::io, errno, fmt::format("cannot make {}", path));
  }
}

bool is_built_upon(const NamedFile& file) noexcept {
  try {
    return access(note_path(file).c_str(), F_OK) == 0 || errno != ENOENT;
  } catch (const std::exception&) {
    return true;  // nobody knows
  }
}

bool HeldFiles::has(const std::string& path) const noexcept {
  struct stat now = {};
  return stat(path.c_str(), &now) == 0 &&
         std::any_of(files_.begin(), files_.end(),
                     [&](const Held& file) { return is_same(file.was, now); });
}

}  // namespace ferry
