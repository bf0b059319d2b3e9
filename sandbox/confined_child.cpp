// A process without rights beside this one.
#include "sandbox/confined_child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <vector>

#include "error/error.h"
#include "sandbox/ending.h"

namespace ferry::sandbox {
namespace {

bool close_between(unsigned first, unsigned last) {
  if (first > last || syscall(SYS_close_range, first, last, 0u) == 0) return true;
  // A kernel, or a container around us, that has no such call.
  const long most = sysconf(_SC_OPEN_MAX);
  if (most < 0) return false;
  for (long fd = first; fd <= static_cast<long>(last) && fd < most; ++fd)
    close(static_cast<int>(fd));
  return true;
}

// False if something else may be left.
bool keep_only(std::span<const int> keep) {
  std::vector<int> sorted(keep.begin(), keep.end());
  std::sort(sorted.begin(), sorted.end());
  unsigned next = STDERR_FILENO + 1;
  for (const int fd : sorted) {
    if (static_cast<unsigned>(fd) < next) continue;
    if (!close_between(next, static_cast<unsigned>(fd) - 1)) return false;
    next = static_cast<unsigned>(fd) + 1;
  }
  return close_between(next, ~0u);
}

// Where a kept descriptor is not.
bool empty_standard_descriptors(std::span<const int> keep) {
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing < 0) return false;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (std::find(keep.begin(), keep.end(), fd) == keep.end() && dup2(nothing, fd) < 0)
      return false;
  return nothing <= STDERR_FILENO || close(nothing) == 0;
}

// In the new process. Its exit code.
int run_child(const Confined& how, std::span<const int> keep,
              const std::function<void(const Confinement&)>& body, pid_t parent) noexcept {
  for (const int meant_for_parent : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
    signal(meant_for_parent, SIG_IGN);
  if (!keep_only(keep) || !empty_standard_descriptors(keep)) return EXIT_FAILURE;
  const Confinement confinement = confine(how.limits, how.work);
  if (getppid() != parent) return EXIT_FAILURE;  // it ended before we would
  try {
    body(confinement);
    return EXIT_SUCCESS;
  } catch (...) {
    return EXIT_FAILURE;
  }
}

}  // namespace

ConfinedChild::ConfinedChild(const Confined& how, std::span<const int> keep,
                             const std::function<void(const Confinement&)>& body)
    : how_(how) {
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) fail_errno(Errc::no_memory, errno, "cannot start a process");
  if (pid_ == 0) _exit(run_child(how_, keep, body, parent));
}

ConfinedChild::~ConfinedChild() {
  if (waited_) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void ConfinedChild::wait_for_its_end() {
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
}

void ConfinedChild::wait(std::chrono::milliseconds time) {
  constexpr auto kLookAgain = std::chrono::microseconds(200);
  int status = 0;
  for (const auto until = std::chrono::steady_clock::now() + time; !waited_;) {
    waited_ = waitpid(pid_, &status, WNOHANG) == pid_;
    if (waited_) break;
    if (std::chrono::steady_clock::now() >= until)
      fail(Errc::internal, "what reads {} said that it was done, and goes on", how_.what);
    std::this_thread::sleep_for(kLookAgain);
  }
  if (WIFSIGNALED(status)) fail_of_signal(how_, WTERMSIG(status));
  if (WEXITSTATUS(status) != EXIT_SUCCESS)
    fail(Errc::internal, "what reads {} ended with code {}", how_.what, WEXITSTATUS(status));
}

}  // namespace ferry::sandbox
