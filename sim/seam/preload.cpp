// libferry-sim.so: the seam as an LD_PRELOAD object, for programs that were built for a real host.
//
//   FERRY_SIM_HOST=host.file LD_PRELOAD=.../libferry-sim.so libxl-save-helper …
//
// FERRY_SIM_DIE_AT=N ends the program with SIGKILL at its Nth call of the host. A kernel takes back
// what a program of domain 0 leaves behind when it ends; here that is done at exit, and before that
// kill.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "sim/seam/binding.h"
#include "sim/seam/mappings.h"

namespace {

using ferry::sim::Call;
using ferry::sim::CallKind;
using ferry::sim::Host;

void die_at(Host& host, uint64_t number) {
  host.set_before_call([&host, number, dying = false](const Call& call) mutable {
    // A mapping that is just being given back is nobody's any more.
    if (dying || call.number < number || call.kind == CallKind::unmap) return;
    dying = true;
    ferry::sim::drop_all_mappings(host);
    kill(getpid(), SIGKILL);
  });
}

struct Program {
  Program() {
    const char* number = getenv("FERRY_SIM_DIE_AT");
    Host* host = number ? ferry::sim::bound_host() : nullptr;
    if (host) die_at(*host, strtoull(number, nullptr, 10));
  }
  ~Program() {
    if (Host* host = ferry::sim::bound_host()) ferry::sim::drop_all_mappings(*host);
  }
} program;

}  // namespace
