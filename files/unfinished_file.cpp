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
#include <filesystem>
#include <string_view>
#include <system_error>

#include "error/error.h"
#include "files/durable.h"
#include "files/target_hold.h"
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

// Its name is another file's by now: what is written to it would be nowhere.
bool was_replaced(int fd) {
  constexpr std::string_view kAfter = " (deleted)";  // as Linux says it
  struct stat file = {}, named = {};
  if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || file.st_nlink != 0) return false;
  std::error_code none;
  std::string path = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), none);
  if (!path.ends_with(kAfter)) return false;
  path.resize(path.size() - kAfter.size());
  return lstat(path.c_str(), &named) == 0;
}

// Files, devices and FIFOs; what else there is nobody else can open.
void hold_alone(int fd, const std::string& path) {
  struct stat file = {};
  if (fstat(fd, &file) != 0) return;
  if (!S_ISREG(file.st_mode) && !S_ISBLK(file.st_mode) && !S_ISFIFO(file.st_mode)) return;
  if (!hold_opened(fd)) {
    // xl has emptied it under the other one's hands when it opened it: without a name that one
    // notices, and its guest runs on.
    if (!path.empty()) unlink(path.c_str());
    fail(Errc::busy, "another save writes to {}",
         path.empty() ? "the same file, device or FIFO" : path);
  }
  if (was_replaced(fd))
    fail(Errc::io, "another save has put its image in the place of the file that was opened");
}

bool rename_to_free(const std::string& from, const std::string& to) {
  return renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0;
}

}  // namespace

UnfinishedFile::UnfinishedFile(int fd) : fd_(fd), path_(path_of(fd)) {
  hold_alone(fd, path_);
  if (path_.empty()) return;
  const size_t name = path_.rfind('/') + 1;
  const std::string hidden = path_.substr(0, name) + "." + path_.substr(name) + ".unfinished";
  if (is_left_over(hidden)) unlink(hidden.c_str());
  if (rename_to_free(path_, hidden)) hidden_ = hidden;
}

UnfinishedFile::~UnfinishedFile() {
  if (kept_ || path_.empty()) return;
  const std::string& name = hidden_.empty() ? path_ : hidden_;
  if (path_of(fd_) == name) unlink(name.c_str());
}

void UnfinishedFile::finish() {
  const std::string& name = hidden_.empty() ? path_ : hidden_;
  if (!name.empty() && path_of(fd_) != name)
    fail(Errc::io, "somebody has moved, removed or replaced {} before it was whole", name);
  if (!hidden_.empty()) {
    if (!rename_to_free(hidden_, path_))
      fail_errno(Errc::io, errno, fmt::format("cannot give the saved image its name {}", path_));
    hidden_.clear();
    sync_folder(path_.substr(0, path_.rfind('/') + 1));
  }
}

}  // namespace ferry
