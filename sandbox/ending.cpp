// What became of a confined process, in a sentence.
#include "sandbox/ending.h"

#include <signal.h>

#include <cstring>

namespace ferry::sandbox {

void fail_of_signal(const Confined& how, int ended_by) {
  if (ended_by == SIGSYS)
    fail(Errc::internal,
         "what reads {} was stopped: it asked the kernel for what reading never needs, so {} "
         "({})",
         how.what, how.suspicion, how.way_out);
  if (ended_by == SIGXCPU)
    fail(Errc::internal, "what reads {} was stopped: it took more than {} s of processor time",
         how.what, how.limits.cpu_seconds);
  fail(Errc::internal, "what reads {} was ended by signal {} ({})", how.what, ended_by,
       strsignal(ended_by));
}

}  // namespace ferry::sandbox
