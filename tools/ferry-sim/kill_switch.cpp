// SIGUSR2 kills this process as SIGKILL would on a real host.
#include "tools/ferry-sim/kill_switch.h"

#include <signal.h>

#include <thread>

#include "sim/machine/step.h"
#include "sim/seam/mappings.h"

namespace ferry::sim {

void install_kill_switch(Host& host) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread([&host, set] {
    int signal_number = 0;
    sigwait(&set, &signal_number);
    die_between_steps([&host] { drop_all_mappings(host); });
  }).detach();
}

}  // namespace ferry::sim
