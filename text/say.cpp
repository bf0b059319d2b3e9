// What people read on standard error.
#include "text/say.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

namespace ferry {
namespace {

constexpr int kPatienceMs = 200;
constexpr size_t kAtOnce = 512;  // what a pipe that can be written takes without waiting (POSIX)

}  // namespace

void say(std::string_view text) noexcept {
  while (!text.empty()) {
    pollfd out = {STDERR_FILENO, POLLOUT, 0};
    if (poll(&out, 1, kPatienceMs) != 1 || !(out.revents & POLLOUT)) return;
    const ssize_t n = write(STDERR_FILENO, text.data(), std::min(text.size(), kAtOnce));
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace ferry
