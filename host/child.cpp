// A program run as a child, with pipes to its standard input and from its standard output.
#include "host/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "error/error.h"
#include "host/terminal.h"
#include "text/say.h"

namespace ferry::host {
namespace {

constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGHUP};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

struct Pipe {
  Descriptor read, write;
};

Pipe make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail_errno(Errc::io, errno, "cannot make a pipe");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// Between fork and exec: nothing but system calls and setenv, since we have no threads here.
[[noreturn]] void become(const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment,
                         const std::vector<int>& inherit, int terminal) {
  setpgid(0, 0);
  LentTerminal::take(terminal);
  for (int signal_number : kStopSignals) signal(signal_number, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_DFL);
  for (int fd : inherit) fcntl(fd, F_SETFD, 0);
  for (const std::string& setting : environment) putenv(const_cast<char*>(setting.c_str()));
  execvp(arguments[0].c_str(), pointers(arguments).data());
  say(fmt::format("ferry: cannot run {}: {}\n", arguments[0], std::strerror(errno)));
  _exit(127);
}

}  // namespace

Child::Child(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
             const std::vector<int>& inherit, Pipes pipes, int terminal) {
  Pipe to, from;
  if (pipes == Pipes::both) {
    to = make_pipe();
    from = make_pipe();
  }
  pid_ = fork();
  if (pid_ < 0) fail_errno(Errc::io, errno, fmt::format("cannot start {}", arguments[0]));
  if (pid_ == 0) {
    if (pipes == Pipes::both) {
      dup2(to.read.get(), STDIN_FILENO);
      dup2(from.write.get(), STDOUT_FILENO);
    }
    become(arguments, environment, inherit, terminal);
  }
  input_ = std::move(to.write);
  output_ = std::move(from.read);
}

Child::~Child() {
  if (waited_) return;
  kill(pid_, SIGKILL);
  wait();
}

bool Child::is_stopped() const {
  siginfo_t info = {};
  return waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WNOHANG) == 0 && info.si_pid != 0;
}

void Child::close() {
  input_.reset();
  output_.reset();
}

bool Child::wait_for(std::chrono::milliseconds time) {
  constexpr auto kLookAgain = std::chrono::milliseconds(5);
  const auto until = std::chrono::steady_clock::now() + time;
  for (;;) {
    if (waited_ || waitpid(pid_, nullptr, WNOHANG) == pid_) return waited_ = true;
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(kLookAgain);
  }
}

bool Child::listen_to_its_end(std::chrono::milliseconds silence, std::chrono::milliseconds all) {
  using Clock = std::chrono::steady_clock;
  constexpr int kLookAgain = 5;
  close_input();
  const auto began = Clock::now();
  auto heard = began;
  while (!wait_for({})) {
    std::byte said[4096];
    pollfd output = {output_.get(), POLLIN, 0};  // no descriptor, once it has said all
    if (poll(&output, 1, kLookAgain) > 0) {
      const ssize_t n = read(output_.get(), said, sizeof said);
      if (n > 0) heard = Clock::now();
      if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) output_.reset();
    }
    const auto now = Clock::now();
    if (now - heard >= silence || now - began >= all) return false;
  }
  return true;
}

int Child::wait() {
  close();
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  waited_ = true;
  return status;
}

}  // namespace ferry::host
