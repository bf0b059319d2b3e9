// Runs a piece of code in a process of its own.
#include "tests/sandbox/in_child.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

namespace ferry::test {

bool Ended::killed_by(int signal) const {
  return WIFSIGNALED(status) && WTERMSIG(status) == signal;
}
bool Ended::exited_with(int code) const {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

std::string to_string(const Ended& ended) {
  return WIFSIGNALED(ended.status) ? "signal " + std::to_string(WTERMSIG(ended.status))
                                   : "code " + std::to_string(WEXITSTATUS(ended.status));
}

Ended in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int code = 255;
    try {
      code = body();
    } catch (...) {
    }
    ::_exit(code);
  }
  Ended ended;
  if (child < 0 || ::waitpid(child, &ended.status, 0) != child)
    throw std::runtime_error("cannot run a process");
  return ended;
}

int errno_of(long result) {
  return result < 0 ? errno : 0;
}

void spin() {
  volatile unsigned turns = 0;
  for (;;) turns = turns + 1;
}

}  // namespace ferry::test
