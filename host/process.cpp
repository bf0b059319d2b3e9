// Other processes of this host, told from later ones that get the same number.
#include "host/process.h"

#include <signal.h>

#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include <fmt/format.h>

namespace ferry::host {

// The 22nd field of /proc/PID/stat. The second one, a name in parentheses, may hold anything.
uint64_t start_of(pid_t pid) {
  if (pid <= 0) return 0;
  std::ostringstream text;
  text << std::ifstream(fmt::format("/proc/{}/stat", pid)).rdbuf();
  const std::string stat = text.str();
  const size_t name_ends = stat.rfind(')');
  if (name_ends == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_ends + 1));
  std::string state, skipped;
  fields >> state;
  if (state == "Z" || state == "X") return 0;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  uint64_t start = 0;
  fields >> start;
  return start;
}

void end_process(pid_t pid, uint64_t start, std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + patience;
  while (start != 0 && start_of(pid) == start) {
    if (Clock::now() >= until) kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace ferry::host
