// What a command says on standard output.
#include "text/print.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "text/say.h"

namespace ferry {
namespace {

int answers_failed_with = 0;

// A terminal that another program has made non-blocking.
void wait_until_writable() {
  pollfd out = {STDOUT_FILENO, POLLOUT, 0};
  poll(&out, 1, -1);
}

// What others have left in stdio's buffer. The error that it remembers is told once.
int flush_stdio() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
  const int error = errno;
  std::clearerr(stdout);
  return error != 0 ? error : EIO;
}

}  // namespace

int write_out(std::string_view text) noexcept {
  int error = flush_stdio();
  while (error == 0 && !text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n >= 0)
      text.remove_prefix(static_cast<size_t>(n));
    else if (errno == EAGAIN)
      wait_until_writable();
    else if (errno != EINTR)
      error = errno;
  }
  return error;
}

void answer_with(std::string_view text) noexcept {
  if (const int error = write_out(text)) answers_failed_with = error;
}

void report_that(std::string_view text) noexcept {
  const int error = write_out(text);
  if (error == 0) return;
  say("ferry: cannot write to standard output: ");
  say(std::strerror(error));
  say("; all the same:\n");
  say(text);
}

int unwritten_answer() noexcept {
  if (const int error = flush_stdio()) answers_failed_with = error;
  return answers_failed_with;
}

}  // namespace ferry
