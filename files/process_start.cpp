// When a process was started: tells it from a later one that gets the same number.
#include "files/process_start.h"

#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>

namespace ferry {

// The 22nd field of /proc/PID/stat. The second one, a name in parentheses, may hold anything.
uint64_t process_start(pid_t pid) {
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

}  // namespace ferry
