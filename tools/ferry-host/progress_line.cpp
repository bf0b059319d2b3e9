// Progress for people: one live line on a terminal, a few plain lines otherwise.
#include "tools/ferry-host/progress_line.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "text/printable.h"
#include "text/say.h"

namespace ferry::host {
namespace {

constexpr double kMib = 1 << 20;
constexpr double kPage = 4096;

}  // namespace

ProgressLine::ProgressLine(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {
}

void ProgressLine::update(const std::string& what, uint64_t pages_done, uint64_t pages_total) {
  if (quiet_ || pages_total == 0) return;
  if (!started_) start_ = Clock::now();  // the guest took its time to suspend
  started_ = true;
  const double share =
      std::min(1.0, static_cast<double>(pages_done) / static_cast<double>(pages_total));
  const std::chrono::duration<double> elapsed = Clock::now() - start_;
  const double rate =
      static_cast<double>(pages_done) * kPage / kMib / std::max(elapsed.count(), 1e-3);
  const double left = share > 0 ? elapsed.count() / share * (1 - share) : 0;
  const auto line = fmt::format("{}: {:3.0f} %, {:.0f} MiB/s, {:.0f} s left", printable(what),
                                share * 100, rate, left);
  if (terminal_) {
    say(fmt::format("\r{}\x1b[K", line));
    shown_ = true;
    return;
  }
  // Plain lines go to logs: every quarter is news enough.
  const auto quarter = static_cast<unsigned>(share * 4);
  if (quarter == last_quarter_) return;
  last_quarter_ = quarter;
  say(line + "\n");
}

void ProgressLine::finish() {
  if (shown_) say("\r\x1b[K");
  shown_ = false;
}

}  // namespace ferry::host
