// In front of the C library: files and folders that pose, by their names, as what no test can make
// without privileges. Linked into a test, or loaded before a program.
//
//   NAME.blk   a file that is a block device of the same size
//   NAME.ro    a folder on a file system that is mounted read-only
//   NAME.nfs   a folder on a network's file system: no files without names, and that there is no
//              room is said when what was written is synced
//   NAME.CALL-ERROR.nfs   such a folder where that call on a file fails so: open, write (after some
//              was taken), fsync, renameat, close; ERROR is EIO, ESTALE, ENOSPC or EDQUOT
//   NAME.append, NAME.immutable   a file or folder as chattr(1) makes it: no file has its name
//              changed there, or takes that name
//   NAME.kill  a folder whose syncing kills who does it, if KILL_AT_FOLDER is in the environment
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <string>
#include <utility>

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

int error_called(const std::string& name) {
  return name == "EIO" ? EIO : name == "ESTALE" ? ESTALE : name == "ENOSPC" ? ENOSPC : EDQUOT;
}

// What the call fails with on the file of that path, as errno; 0: it does not.
int network_error(const std::string& path, const std::string& call) {
  const size_t end = path.find(".nfs/");
  if (end == std::string::npos) return 0;
  const size_t slash = path.rfind('/', end), from = slash == std::string::npos ? 0 : slash + 1;
  const std::string folder = path.substr(from, end - from);
  const size_t dash = folder.find('-');
  if (dash == std::string::npos) return call == "fsync" ? EDQUOT : 0;
  return folder.substr(0, dash).ends_with("." + call) ? error_called(folder.substr(dash + 1)) : 0;
}

// What comes of a file later, found out when it is opened: a process without rights cannot ask.
struct Later {
  int at_write = 0, at_close = 0;
};
Later& opened(int fd) {
  static Later files[1024], others;
  others = {};
  return fd >= 0 && fd < 1024 ? files[fd] : others;
}

int pose(int result, const std::string& path, struct stat* status) {
  if (result == 0 && S_ISREG(status->st_mode) && poses_as_device(path))
    status->st_mode = (status->st_mode & ~static_cast<mode_t>(S_IFMT)) | S_IFBLK;
  return result;
}

bool writes(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0;
}

uint64_t fixed(const std::string& path) {
  return path.ends_with(".append")      ? STATX_ATTR_APPEND
         : path.ends_with(".immutable") ? STATX_ATTR_IMMUTABLE
                                        : 0;
}

// What a file's getting that name fails with, as errno; 0: it does not.
int error_of_name(const std::string& path) {
  if (fixed(path) != 0 || fixed(path.substr(0, path.rfind('/'))) != 0) return EPERM;
  return network_error(path, "renameat");
}

// What hinders somebody from opening the path below folder, as errno; 0: nothing.
int hindrance(const std::string& folder, const char* path, int flags) {
  const std::string whole = *path == '/' ? path : folder + "/" + path;
  if (writes(flags) && lies_in(whole, ".ro")) return EROFS;
  if ((flags & O_TMPFILE) == O_TMPFILE && lies_in(whole, ".nfs")) return EOPNOTSUPP;
  return writes(flags) ? network_error(whole, "open") : 0;
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
int statx(int folder, const char* path, int flags, unsigned mask, struct statx* status) noexcept {
  static auto* const libc = of_libc<int(int, const char*, int, unsigned, struct statx*)>("statx");
  const int result = libc(folder, path, flags, mask, status);
  if (const uint64_t attributes = result == 0 ? fixed(resolved(path)) : 0) {
    status->stx_attributes |= attributes;
    status->stx_attributes_mask |= attributes;
  }
  return result;
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
  if (getenv("KILL_AT_FOLDER") && path_of(fd).ends_with(".kill")) raise(SIGKILL);
  const bool file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  const int error = file ? network_error(path_of(fd), "fsync") : 0;
  if (error == 0) return libc(fd);
  errno = error;
  return -1;
}
ssize_t write(int fd, const void* bytes, size_t count) {
  static auto* const libc = of_libc<ssize_t(int, const void*, size_t)>("write");
  const int error = opened(fd).at_write;
  if (error == 0 || lseek(fd, 0, SEEK_CUR) <= 0) return libc(fd, bytes, count);
  errno = error;
  return -1;
}
// It is closed all the same.
int close(int fd) {
  static auto* const libc = of_libc<int(int)>("close");
  const int error = std::exchange(opened(fd), {}).at_close;
  const int result = libc(fd);
  if (error == 0) return result;
  errno = error;
  return -1;
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  static auto* const libc = of_libc<int(int, const char*, int, const char*)>("renameat");
  const int error = error_of_name(path_of(to_folder) + "/" + to);
  if (error == 0) return libc(from_folder, from, to_folder, to);
  errno = error;
  return -1;
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  static auto* const libc = of_libc<int(int, const char*, int, const char*, unsigned)>("renameat2");
  const int error = error_of_name(path_of(to_folder) + "/" + to);
  if (error == 0) return libc(from_folder, from, to_folder, to, flags);
  errno = error;
  return -1;
}

int openat(int folder, const char* path, int flags, ...) {
  static auto* const libc = of_libc<int(int, const char*, int, mode_t)>("openat");
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  const std::string at = folder == AT_FDCWD ? resolved(".") : path_of(folder);
  if (const int why = hindrance(at, path, flags)) {
    errno = why;
    return -1;
  }
  const int fd = libc(folder, path, flags, mode);
  if (fd >= 0 && writes(flags))
    opened(fd) = {network_error(at + "/" + path, "write"), network_error(at + "/" + path, "close")};
  return fd;
}
int faccessat(int folder, const char* path, int how, int flags) noexcept {
  static auto* const libc = of_libc<int(int, const char*, int, int)>("faccessat");
  if (!(how & W_OK) || !lies_in(resolved(path), ".ro")) return libc(folder, path, how, flags);
  errno = EROFS;
  return -1;
}

}  // extern "C"
