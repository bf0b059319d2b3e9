// A file that somebody else opened under its name, and that shows itself there only once it is
// whole.
#include "files/unfinished_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>

#include "error/error.h"
#include "files/durable.h"
#include "io/descriptor.h"

namespace ferry {
namespace {

// The one name of a regular file; "" if it has none, or several, or cannot be told.
std::string path_of(int fd) {
  struct stat file = {};
  if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || file.st_nlink != 1) return {};
  std::string path(PATH_MAX, '\0');
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), path.data(), path.size());
  if (size <= 0 || static_cast<size_t>(size) == path.size() || path[0] != '/') return {};
  path.resize(static_cast<size_t>(size));
  struct stat named = {};
  if (lstat(path.c_str(), &named) != 0 || named.st_dev != file.st_dev ||
      named.st_ino != file.st_ino)
    return {};
  return path;
}

// What a killed save left is nobody's: the lock goes with the last process that has the file open.
bool is_left_over(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  return file && flock(file.get(), LOCK_EX | LOCK_NB) == 0;
}

bool rename_to_free(const std::string& from, const std::string& to) {
  return renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0;
}

}  // namespace

UnfinishedFile::UnfinishedFile(int fd) : fd_(fd), path_(path_of(fd)) {
  if (path_.empty()) return;
  const size_t name = path_.rfind('/') + 1;
  const std::string hidden = path_.substr(0, name) + "." + path_.substr(name) + ".unfinished";
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {  // another save writes to the same file
    path_.clear();
    return;
  }
  if (is_left_over(hidden)) unlink(hidden.c_str());
  if (rename_to_free(path_, hidden)) hidden_ = hidden;
}

UnfinishedFile::~UnfinishedFile() {
  if (kept_ || path_.empty()) return;
  const std::string& name = hidden_.empty() ? path_ : hidden_;
  if (path_of(fd_) == name) unlink(name.c_str());
}

void UnfinishedFile::finish() {
  if (!hidden_.empty()) {
    if (path_of(fd_) != hidden_)
      fail(Errc::io, "somebody has moved or removed {} before it was whole", hidden_);
    if (!rename_to_free(hidden_, path_))
      fail_errno(Errc::io, errno, fmt::format("cannot give the saved image its name {}", path_));
    hidden_.clear();
    sync_folder(path_.substr(0, path_.rfind('/') + 1));
  }
}

}  // namespace ferry
