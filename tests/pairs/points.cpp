// An object for LD_PRELOAD that counts the points of a program: the calls of the C library that
// change a file, a socket or another process, hypercalls that change a domain's life, and what the
// simulated machine adds to them (sim/seam/points.h). At one of them it holds the program, or kills
// it, before the call is made.
//
//   FERRY_SIM_HOLD_AT=N,FOLDER   writes what the point is to FOLDER/held, and goes on when it
//                                can read a 1 from FOLDER/go; a 2, or nobody who holds that
//                                open, kills it there
//   FERRY_SIM_HOLD_AT=N:WHAT,FOLDER  the Nth of the points that begin with WHAT
//   FERRY_SIM_KILL_AT=N          kills it there
//   FERRY_SIM_POINTS=FILE        writes a line a point, for a dry run
//
// Programs that it starts inherit none of these, and forked copies of it have no points. While one
// thread is held, every other one that comes to a point waits as well.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "sim/seam/points.h"

namespace {

struct Plan {
  unsigned long hold_at = 0, kill_at = 0;
  std::string hold_what;  // of all points, or of those that begin so
  unsigned long reached_what = 0;
  std::string folder;
  int trace = -1;
  pid_t pid = 0;
  unsigned long reached = 0;
  void (*die)() = nullptr;
  std::mutex mutex;
};

// Never destroyed: threads come to points while the program ends.
Plan& plan() {
  static Plan* const one = new Plan;
  return *one;
}

// The calls below, past this object's own.
int raw_open(const std::string& path, int flags) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), flags | O_CLOEXEC, 0600));
}
void raw_write(int fd, const std::string& text) {
  if (syscall(SYS_write, fd, text.data(), text.size()) < 0) _exit(99);
}

std::string take_setting(const char* name) {
  const char* set = getenv(name);
  const std::string value = set ? set : "";
  unsetenv(name);
  return value;
}

__attribute__((constructor)) void read_plan() {
  Plan& p = plan();
  const std::string hold = take_setting("FERRY_SIM_HOLD_AT");
  const std::string kill_at = take_setting("FERRY_SIM_KILL_AT");
  const std::string trace = take_setting("FERRY_SIM_POINTS");
  if (hold.empty() && kill_at.empty() && trace.empty()) return;
  const size_t comma = std::min(hold.size(), hold.find(','));
  const size_t colon = std::min(comma, hold.find(':'));
  p.hold_at = strtoul(hold.c_str(), nullptr, 10);
  if (colon < comma) p.hold_what = hold.substr(colon + 1, comma - colon - 1);
  if (comma < hold.size()) p.folder = hold.substr(comma + 1);
  p.kill_at = strtoul(kill_at.c_str(), nullptr, 10);
  if (!trace.empty()) p.trace = raw_open(trace, O_WRONLY | O_CREAT | O_TRUNC);
  p.pid = getpid();
}

void die(const Plan& p) {
  if (p.die) p.die();
  kill(p.pid, SIGKILL);
}

void hold(const Plan& p, const std::string& what) {
  const int held = raw_open(p.folder + "/held", O_WRONLY);
  const int go = raw_open(p.folder + "/go", O_RDONLY);
  if (held < 0 || go < 0) _exit(99);
  raw_write(held, what + "\n");
  char byte = 0;
  while (syscall(SYS_read, go, &byte, 1) < 0)
    if (errno != EINTR) _exit(99);
  if (byte != 1) die(p);
  syscall(SYS_close, held);
  syscall(SYS_close, go);
}

// A signal handler's calls are no points while its thread is at one.
thread_local bool at_point = false;

void reached(const std::string& what) {
  Plan& p = plan();
  if (p.pid == 0 || getpid() != p.pid || at_point) return;
  const int saved = errno;
  at_point = true;
  {
    const std::lock_guard guard(p.mutex);
    const unsigned long number = ++p.reached;
    if (p.trace >= 0) raw_write(p.trace, what + "\n");
    if (what.starts_with(p.hold_what) && ++p.reached_what == p.hold_at) hold(p, what);
    if (number == p.kill_at) die(p);
  }
  at_point = false;
  errno = saved;
}

std::string file_name(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

const char* kind_of(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return "nothing";
  return S_ISREG(status.st_mode)    ? "a file"
         : S_ISDIR(status.st_mode)  ? "a folder"
         : S_ISSOCK(status.st_mode) ? "a socket"
         : S_ISFIFO(status.st_mode) ? "a pipe"
                                    : "a device";
}

void reached(const char* call, int fd) {
  reached(std::string(call) + " " + kind_of(fd));
}

void reached_open(const char* path, int flags) {
  if (flags & (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))) reached("open " + file_name(path));
}

// As Xen's public headers and Linux's privcmd have them.
struct Hypercall {
  uint64_t op;
  uint64_t arguments[5];
};
constexpr unsigned long kPrivcmdHypercall = _IOC(_IOC_NONE, 'P', 0, sizeof(Hypercall));
constexpr uint64_t kDomctl = 36;

const char* domctl_name(uint32_t command) {
  switch (command) {
    case 1:
      return "create a domain";
    case 2:
      return "destroy a domain";
    case 3:
      return "pause a domain";
    case 4:
      return "unpause a domain";
    case 27:
      return "resume a domain";
    default:
      return nullptr;
  }
}

void reached_ioctl(unsigned long request, const void* argument) {
  if (request != kPrivcmdHypercall) return;
  const auto& call = *static_cast<const Hypercall*>(argument);
  if (call.op != kDomctl) return;
  uint32_t command = 0;
  memcpy(&command, reinterpret_cast<const void*>(call.arguments[0]), sizeof command);
  if (const char* name = domctl_name(command)) reached(name);
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

mode_t mode_in(int flags, va_list arguments) {
  return flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

// The definition that the C library would have run.
#define NEXT(name) static auto* const libc = next<decltype(name)>(#name)

extern "C" {

void ferry_points_reached(const char* what) {
  reached(what);
}
void ferry_points_dies_by(void (*die)()) {
  plan().die = die;
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_in(flags, arguments);
  va_end(arguments);
  reached_open(path, flags);
  NEXT(open);
  return libc(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_in(flags, arguments);
  va_end(arguments);
  reached_open(path, flags);
  NEXT(open64);
  return libc(path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_in(flags, arguments);
  va_end(arguments);
  reached_open(path, flags);
  NEXT(openat);
  return libc(folder, path, flags, mode);
}
int mkostemp(char* path, int flags) {
  reached("make " + file_name(path));
  NEXT(mkostemp);
  return libc(path, flags);
}
int mkdir(const char* path, mode_t mode) noexcept {
  reached("mkdir " + file_name(path));
  NEXT(mkdir);
  return libc(path, mode);
}
int rename(const char* from, const char* to) noexcept {
  reached("rename " + file_name(from) + " to " + file_name(to));
  NEXT(rename);
  return libc(from, to);
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  reached("rename " + file_name(from) + " to " + file_name(to));
  NEXT(renameat);
  return libc(from_folder, from, to_folder, to);
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  reached("rename " + file_name(from) + " to " + file_name(to));
  NEXT(renameat2);
  return libc(from_folder, from, to_folder, to, flags);
}
int link(const char* from, const char* to) noexcept {
  reached("link " + file_name(to));
  NEXT(link);
  return libc(from, to);
}
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  reached("link " + file_name(to));
  NEXT(linkat);
  return libc(from_folder, from, to_folder, to, flags);
}
int unlink(const char* path) noexcept {
  reached("unlink " + file_name(path));
  NEXT(unlink);
  return libc(path);
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  reached("unlink " + file_name(path));
  NEXT(unlinkat);
  return libc(folder, path, flags);
}
int ftruncate(int fd, off_t length) noexcept {
  reached("truncate", fd);
  NEXT(ftruncate);
  return libc(fd, length);
}
int fchmod(int fd, mode_t mode) noexcept {
  reached("change the mode of", fd);
  NEXT(fchmod);
  return libc(fd, mode);
}
int fchown(int fd, uid_t user, gid_t group) noexcept {
  reached("change the owner of", fd);
  NEXT(fchown);
  return libc(fd, user, group);
}
int fsync(int fd) {
  reached("sync", fd);
  NEXT(fsync);
  return libc(fd);
}
int fdatasync(int fd) {
  reached("sync", fd);
  NEXT(fdatasync);
  return libc(fd);
}
int flock(int fd, int operation) noexcept {
  reached("lock", fd);
  NEXT(flock);
  return libc(fd, operation);
}
ssize_t write(int fd, const void* bytes, size_t count) {
  reached("write to", fd);
  NEXT(write);
  return libc(fd, bytes, count);
}
ssize_t writev(int fd, const iovec* parts, int count) {
  reached("write to", fd);
  NEXT(writev);
  return libc(fd, parts, count);
}
ssize_t pwrite(int fd, const void* bytes, size_t count, off_t at) {
  reached("write to", fd);
  NEXT(pwrite);
  return libc(fd, bytes, count, at);
}
ssize_t send(int fd, const void* bytes, size_t count, int flags) {
  reached("send to", fd);
  NEXT(send);
  return libc(fd, bytes, count, flags);
}
ssize_t sendto(int fd, const void* bytes, size_t count, int flags, const sockaddr* to,
               socklen_t length) {
  reached("send to", fd);
  NEXT(sendto);
  return libc(fd, bytes, count, flags, to, length);
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  reached("send to", fd);
  NEXT(sendmsg);
  return libc(fd, message, flags);
}
int connect(int fd, const sockaddr* address, socklen_t length) {
  reached("connect", fd);
  NEXT(connect);
  return libc(fd, address, length);
}
int bind(int fd, const sockaddr* address, socklen_t length) noexcept {
  reached("bind", fd);
  NEXT(bind);
  return libc(fd, address, length);
}
int listen(int fd, int backlog) noexcept {
  reached("listen at", fd);
  NEXT(listen);
  return libc(fd, backlog);
}
int shutdown(int fd, int how) noexcept {
  reached("shut down", fd);
  NEXT(shutdown);
  return libc(fd, how);
}
int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  reached_ioctl(request, argument);
  NEXT(ioctl);
  return libc(fd, request, argument);
}
int kill(pid_t pid, int signal_number) noexcept {
  if (signal_number != SIGKILL || pid != getpid()) reached("signal a process");
  NEXT(kill);
  return libc(pid, signal_number);
}

}  // extern "C"
