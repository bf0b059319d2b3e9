// A program run as a child, with pipes to its standard input and from its standard output.
#include "tools/host/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "error/error.h"

namespace ferry::host {
namespace {

std::atomic<pid_t> signals_to{0};

void pass_on(int) {
  if (const pid_t pid = signals_to) kill(pid, SIGTERM);
}

constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGHUP};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// Between fork and exec: nothing but system calls and setenv, since we have no threads here.
[[noreturn]] void become(const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment,
                         const std::vector<int>& inherit) {
  setpgid(0, 0);
  for (int signal_number : kStopSignals) signal(signal_number, SIG_DFL);
  for (int fd : inherit) fcntl(fd, F_SETFD, 0);
  for (const std::string& setting : environment) putenv(const_cast<char*>(setting.c_str()));
  execvp(arguments[0].c_str(), pointers(arguments).data());
  fmt::print(stderr, "ferry: cannot run {}: {}\n", arguments[0], std::strerror(errno));
  _exit(127);
}

}  // namespace

Child::Child(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
             const std::vector<int>& inherit, Pipes pipes) {
  int to[2] = {-1, -1}, from[2] = {-1, -1};
  if (pipes == Pipes::both && (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0))
    fail_errno(Errc::io, errno, "cannot make a pipe");
  pid_ = fork();
  if (pid_ < 0) fail_errno(Errc::io, errno, fmt::format("cannot start {}", arguments[0]));
  if (pid_ == 0) {
    if (pipes == Pipes::both) {
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
    }
    become(arguments, environment, inherit);
  }
  if (pipes == Pipes::both) {
    close(to[0]);
    close(from[1]);
    input_ = to[1];
    output_ = from[0];
  }
}

Child::~Child() {
  close_pipes();
  if (waited_) return;
  kill(pid_, SIGKILL);
  wait();
}

void Child::close_pipes() {
  if (input_ >= 0) close(input_);
  if (output_ >= 0) close(output_);
  input_ = output_ = -1;
}

int Child::wait() {
  close_pipes();
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  waited_ = true;
  return status;
}

SignalsTo::SignalsTo(pid_t pid) {
  signals_to = pid;
  for (int signal_number : kStopSignals) signal(signal_number, pass_on);
}

// What comes after the child has ended must not end us half way through tidying up.
SignalsTo::~SignalsTo() {
  signals_to = 0;
}

}  // namespace ferry::host
