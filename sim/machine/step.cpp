// What no program's death can cut in two.
#include "sim/machine/step.h"

#include <signal.h>
#include <unistd.h>

#include <shared_mutex>

namespace ferry::sim {
namespace {

std::shared_mutex& gate() {
  static auto* one = new std::shared_mutex;  // threads may still be inside while the program ends
  return *one;
}
thread_local unsigned depth = 0;

}  // namespace

MachineStep::MachineStep() {
  if (depth++ == 0) gate().lock_shared();
}

MachineStep::~MachineStep() {
  if (--depth == 0) gate().unlock_shared();
}

void die_between_steps(const std::function<void()>& clean_up) {
  gate().lock();
  depth = 1;  // the cleaning is made of steps too
  clean_up();
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

}  // namespace ferry::sim
