// A process of its own for what reads and decodes.
#include "sandbox/confined_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "error/run_main.h"
#include "io/byte_stream.h"
#include "io/descriptor.h"
#include "sandbox/ending.h"

namespace ferry::sandbox {
namespace {

#ifdef FERRY_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// What this program opens is closed on exec; what is not, it was started with.
void close_inherited() {
  std::vector<int> inherited;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    const int flags = fcntl(fd, F_GETFD);
    if (fd > STDERR_FILENO && flags >= 0 && !(flags & FD_CLOEXEC)) inherited.push_back(fd);
  }
  for (const int fd : inherited) close(fd);
}

void close_standard_input() {
  const Descriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (nothing) dup2(nothing.get(), STDIN_FILENO);
}

void say_if_open(const Confined& how, const Confinement& confinement) {
  if (confinement.seccomp) return;
  complain(how.program,
           fmt::format("the kernel gives no seccomp ({}): what reads {} is held by less",
                       std::strerror(confinement.seccomp_errno), how.what));
}

// In the new process. Its exit code.
int run_child(const Confined& how, const std::function<Done(const Confinement&)>& body,
              pid_t parent, int report) {
  return run_main(how.program, [&] {
    close_inherited();
    close_standard_input();
    const Confinement confinement = confine(how.limits, how.work);
    if (getppid() != parent) return static_cast<int>(Exit::failed);  // it ended before we would
    say_if_open(how, confinement);
    const Done done = body(confinement);
    if (std::fflush(stdout) != 0) fail_errno(Errc::io, errno, "cannot write to standard output");
    FdSink(report, "what started this")
        .write(std::as_bytes(
            std::span(done.report).first(std::min(done.report.size(), how.longest_report))));
    return static_cast<int>(done.exit);
  });
}

bool meant_for_both(int signal) {
  return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT ||
         signal == SIGPIPE;
}

[[noreturn]] void end_as_it_did(const Confined& how, int ended_by) {
  if (meant_for_both(ended_by)) {
    signal(ended_by, SIG_DFL);
    raise(ended_by);
  }
  fail_of_signal(how, ended_by);
}

Exit exit_of(const Confined& how, int status) {
  if (WIFSIGNALED(status)) end_as_it_did(how, WTERMSIG(status));
  const int code = WEXITSTATUS(status);
  if (code < static_cast<int>(Exit::done) || code > static_cast<int>(Exit::needs_operator))
    fail(Errc::internal, "what reads {} ended with code {}", how.what, code);
  return static_cast<Exit>(code);
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail_errno(Errc::internal, errno, "cannot wait for a process");
  return status;
}

// All that the child says, or as much as it may.
std::string report_of(int fd, size_t most) {
  std::string report(most, '\0');
  const size_t size = FdSource(fd, "the reader").read(std::as_writable_bytes(std::span(report)));
  report.resize(size);
  return report;
}

}  // namespace

bool can_confine() noexcept {
  return !kSanitized;
}

Done run_confined(const Confined& how, const std::function<Done(const Confinement&)>& body) {
  if (how.no_sandbox)
    complain(how.program,
             fmt::format("--no-sandbox: what reads {} has all the rights of this user", how.what));
  if (how.no_sandbox || !can_confine()) return body({});

  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail_errno(Errc::io, errno, "cannot make a pipe");
  Descriptor from(ends[0]), to(ends[1]);
  std::fflush(stdout);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) fail_errno(Errc::no_memory, errno, "cannot start a process");
  if (child == 0) {
    from.reset();
    _exit(run_child(how, body, parent, to.get()));
  }
  to.reset();
  std::string report = report_of(from.get(), how.longest_report);
  from.reset();  // whoever says more hears of it
  return {exit_of(how, wait_for(child)), std::move(report)};
}

}  // namespace ferry::sandbox
