// A process that outlives whoever starts it.
#include "host/detached.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "io/descriptor.h"

namespace ferry::host {
namespace {

constexpr int kFirstDescriptor = 3;

void close_all(int first, int last) {
  if (first <= last)
    syscall(SYS_close_range, static_cast<unsigned>(first), static_cast<unsigned>(last), 0);
}

// keep: in order.
void close_all_but(std::span<const int> keep) {
  int next = kFirstDescriptor;
  for (const int fd : keep) {
    close_all(next, fd - 1);
    next = fd + 1;
  }
  close_all(next, ~0u >> 1);
}

// In the child, between fork and exec: nothing but system calls, for its parent may have threads.
// failed: closed by an exec that works.
[[noreturn]] void become_detached(const char* program, char* const* argv, int nowhere,
                                  std::span<const int> keep, int failed) {
  const pid_t child = setsid() < 0 ? -1 : fork();
  if (child != 0) _exit(child > 0 ? 0 : 1);
  for (int fd = 0; fd < kFirstDescriptor; ++fd) dup2(nowhere, fd);
  close_all_but(keep);
  for (const int fd : keep)
    if (fd != failed) fcntl(fd, F_SETFD, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (chdir("/") == 0) execv(program, argv);
  const ssize_t told = write(failed, "", 1);
  _exit(told == 1 ? 1 : 2);
}

// Until the exec has closed the other end, or has failed and says so.
bool is_running(int status) {
  char said = 0;
  ssize_t n;
  while ((n = read(status, &said, 1)) < 0 && errno == EINTR) {
  }
  return n == 0;
}

}  // namespace

bool start_detached(const std::string& program, std::vector<std::string> words,
                    std::vector<int> inherit) {
  const Descriptor nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
  int ends[2];
  if (!nowhere || pipe2(ends, O_CLOEXEC) != 0) return false;
  const Descriptor status(ends[0]);
  Descriptor failed(ends[1]);
  inherit.push_back(failed.get());
  std::sort(inherit.begin(), inherit.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0)
    become_detached(program.c_str(), argv.data(), nowhere.get(), inherit, failed.get());
  failed.reset();
  if (child < 0) return false;
  int ended = 0;
  while (waitpid(child, &ended, 0) < 0 && errno == EINTR) {
  }
  return ended == 0 && is_running(status.get());
}

}  // namespace ferry::host
