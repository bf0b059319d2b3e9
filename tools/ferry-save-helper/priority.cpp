// How a save shares dom0's CPUs with the backends of all guests.
#include "tools/ferry-save-helper/priority.h"

#include <sys/resource.h>

namespace ferry::helper {
namespace {

constexpr int kNice = 10;

}  // namespace

void lower_priority(pid_t pid) {
  setpriority(PRIO_PROCESS, static_cast<id_t>(pid), kNice);
}

// Of this thread and of those it starts from now on.
void restore_priority() {
  setpriority(PRIO_PROCESS, 0, 0);
}

}  // namespace ferry::helper
