// Waiting for another process of this host to end, and ending it.
#include "host/process.h"

#include <signal.h>

#include <thread>

#include "files/process_start.h"

namespace ferry::host {

void end_process(pid_t pid, uint64_t start, std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + patience;
  while (start != 0 && process_start(pid) == start) {
    if (Clock::now() >= until) kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace ferry::host
