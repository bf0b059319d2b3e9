// How every program ends.
#include "error/run_main.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "text/print.h"
#include "text/printable.h"
#include "text/say.h"

namespace ferry {

namespace {

int complaints = -1;

// Programs that this one starts do not get it.
void take_complaints_descriptor() {
  const char* number = std::getenv(kComplaintsVariable);
  if (!number) return;
  complaints = std::atoi(number);
  fcntl(complaints, F_SETFD, FD_CLOEXEC);
  unsetenv(kComplaintsVariable);
}

// Standard output that somebody has closed stays something that nothing can be written to: whoever
// asked for it there must not hear that it is.
void open_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    const int mode = fd == STDOUT_FILENO ? O_RDONLY : O_RDWR;
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", mode) != fd) _exit(127);
  }
}

int exit_of(std::string_view program, const std::function<int()>& body) {
  Exit exit = Exit::failed;
  try {
    return body();
  } catch (const Error& error) {
    complain(program, error.what());
    exit = exit_code(error.code());
  } catch (const std::bad_alloc&) {
    complain(program, "not enough memory");
  } catch (const std::exception& error) {
    complain(program, error.what());
  }
  return static_cast<int>(exit);
}

}  // namespace

void complain(std::string_view program, std::string_view sentence) {
  const std::string line = fmt::format("{}: {}\n", program, printable(sentence));
  say(line);
  if (complaints >= 0 && write(complaints, line.data(), line.size()) < 0) complaints = -1;
}

int run_main(std::string_view program, const std::function<int()>& body) {
  open_standard_streams();
  take_complaints_descriptor();
  signal(SIGXFSZ, SIG_IGN);
  const int exit = exit_of(program, body);
  const int unwritten = unwritten_answer();
  if (unwritten == 0) return exit;
  complain(program, fmt::format("cannot write to standard output: {}", std::strerror(unwritten)));
  return exit == static_cast<int>(Exit::done) ? static_cast<int>(Exit::failed) : exit;
}

}  // namespace ferry
