// In front of the C library: files and folders that pose, by their names, as what no test can make
// without privileges. Linked into a test, or loaded before a program.
//
//   NAME.blk   a file that is a block device of the same size
//   NAME.ro    a folder on a file system that is mounted read-only
//   NAME.nfs   a folder on a network's file system: no files without names, and that there is no
//              room is said when what was written is synced
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <string>

namespace {

template <typename Function>
Function* of_libc(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

std::string resolved(const std::string& path) {
  char* real = realpath(path.c_str(), nullptr);
  const std::string found = real ? real : "";
  free(real);
  return found;
}

std::string path_of(int fd) {
  const int before = errno;
  const std::string found = resolved("/proc/self/fd/" + std::to_string(fd));
  errno = before;
  return found;
}

bool poses_as_device(const std::string& path) {
  return path.ends_with(".blk");
}
bool lies_in(const std::string& path, const char* kind) {
  return (path + "/").find(std::string(kind) + "/") != std::string::npos;
}

int pose(int result, const std::string& path, struct stat* status) {
  if (result == 0 && S_ISREG(status->st_mode) && poses_as_device(path))
    status->st_mode = (status->st_mode & ~static_cast<mode_t>(S_IFMT)) | S_IFBLK;
  return result;
}

bool writes(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0;
}

// What hinders somebody from opening the path below folder, as errno; 0: nothing.
int hindrance(const std::string& folder, const char* path, int flags) {
  const std::string whole = *path == '/' ? path : folder + "/" + path;
  if (writes(flags) && lies_in(whole, ".ro")) return EROFS;
  if ((flags & O_TMPFILE) == O_TMPFILE && lies_in(whole, ".nfs")) return EOPNOTSUPP;
  return 0;
}

}  // namespace

extern "C" {

int stat(const char* path, struct stat* status) noexcept {
  static auto* const libc = of_libc<int(const char*, struct stat*)>("stat");
  const int result = libc(path, status);
  return result == 0 ? pose(result, resolved(path), status) : result;
}
int lstat(const char* path, struct stat* status) noexcept {
  static auto* const libc = of_libc<int(const char*, struct stat*)>("lstat");
  return pose(libc(path, status), path, status);
}
int fstat(int fd, struct stat* status) noexcept {
  static auto* const libc = of_libc<int(int, struct stat*)>("fstat");
  return pose(libc(fd, status), path_of(fd), status);
}

int ioctl(int fd, unsigned long request, ...) noexcept {
  static auto* const libc = of_libc<int(int, unsigned long, void*)>("ioctl");
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (request != BLKGETSIZE64 || !poses_as_device(path_of(fd))) return libc(fd, request, argument);
  struct stat status;
  if (fstat(fd, &status) != 0) return -1;
  *static_cast<uint64_t*>(argument) = static_cast<uint64_t>(status.st_size);
  return 0;
}

int fsync(int fd) {
  static auto* const libc = of_libc<int(int)>("fsync");
  struct stat status;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && lies_in(path_of(fd), ".nfs")) {
    errno = EDQUOT;
    return -1;
  }
  return libc(fd);
}

int openat(int folder, const char* path, int flags, ...) {
  static auto* const libc = of_libc<int(int, const char*, int, mode_t)>("openat");
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  const int why = hindrance(folder == AT_FDCWD ? resolved(".") : path_of(folder), path, flags);
  if (why == 0) return libc(folder, path, flags, mode);
  errno = why;
  return -1;
}
int faccessat(int folder, const char* path, int how, int flags) noexcept {
  static auto* const libc = of_libc<int(int, const char*, int, int)>("faccessat");
  if (!(how & W_OK) || !lies_in(resolved(path), ".ro")) return libc(folder, path, how, flags);
  errno = EROFS;
  return -1;
}

}  // extern "C"
