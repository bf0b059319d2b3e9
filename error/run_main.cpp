// How every program ends that does not end well.
#include "error/run_main.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <new>

#include "text/printable.h"
#include "text/say.h"

namespace ferry {

void complain(std::string_view program, std::string_view sentence) {
  say(fmt::format("{}: {}\n", program, printable(sentence)));
}

namespace {

void open_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd) _exit(127);
}

}  // namespace

int run_main(std::string_view program, const std::function<int()>& body) {
  open_standard_streams();
  signal(SIGXFSZ, SIG_IGN);
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

}  // namespace ferry
