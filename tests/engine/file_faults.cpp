// Calls on files made to fail.
#include "tests/engine/file_faults.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <filesystem>

namespace ferry::sim {
namespace {

thread_local FileFaults* current = nullptr;

bool fails(std::string call, int os_errno) {
  const int set = current ? current->next(std::move(call), os_errno) : 0;
  if (set) errno = set;
  return set != 0;
}

}  // namespace

FileFaults::FileFaults(uint64_t nth) : nth_(nth) {
  current = this;
}
FileFaults::~FileFaults() {
  current = nullptr;
}

int FileFaults::next(std::string call, int os_errno) {
  calls_.push_back(std::move(call));
  return calls_.size() == nth_ ? os_errno : 0;
}

}  // namespace ferry::sim

using ferry::sim::fails;

namespace {

int open_below(int folder, const char* path, int flags, unsigned mode) {
  const bool nameless = (flags & O_TMPFILE) == O_TMPFILE;
  if (nameless && ferry::sim::current && !ferry::sim::current->nameless()) {
    errno = EOPNOTSUPP;
    return -1;
  }
  if (fails(std::string("open ") + path, EMFILE)) return -1;
  return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
}

// "" if it has none, as a socket.
std::string name_of(int fd) {
  std::error_code none;
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), none);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const unsigned mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(arguments, unsigned) : 0;
  va_end(arguments);
  return open_below(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const unsigned mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(arguments, unsigned) : 0;
  va_end(arguments);
  return open_below(folder, path, flags, mode);
}

int flock(int fd, int operation) noexcept {
  if (fails("flock " + name_of(fd), ENOLCK)) return -1;
  return static_cast<int>(syscall(SYS_flock, fd, operation));
}

ssize_t write(int fd, const void* bytes, size_t count) {
  if (fails("write", ENOSPC)) return -1;
  return syscall(SYS_write, fd, bytes, count);
}

int fsync(int fd) {
  if (fails("fsync", EIO)) return -1;
  return static_cast<int>(syscall(SYS_fsync, fd));
}

int linkat(int from, const char* old_path, int to, const char* new_path, int flags) noexcept {
  if (fails(std::string("linkat ") + new_path, EIO)) return -1;
  return static_cast<int>(syscall(SYS_linkat, from, old_path, to, new_path, flags));
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  if (fails(std::string("renameat ") + to, EIO)) return -1;
  return static_cast<int>(syscall(SYS_renameat, from_folder, from, to_folder, to));
}

int rename(const char* from, const char* to) noexcept {
  if (fails(std::string("rename ") + to, EIO)) return -1;
  return static_cast<int>(syscall(SYS_rename, from, to));
}

}  // extern "C"
