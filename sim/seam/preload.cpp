// libferry-sim.so: the seam as an LD_PRELOAD object, for programs that were built for a real host.
//
//   FERRY_SIM_HOST=host.file LD_PRELOAD=.../libferry-sim.so libxl-save-helper …
//
// A kernel takes back what a program of domain 0 leaves behind when it ends; here that is done at
// exit.
#include "sim/seam/binding.h"
#include "sim/seam/mappings.h"

namespace {

struct AtExit {
  ~AtExit() {
    if (ferry::sim::Host* host = ferry::sim::bound_host()) ferry::sim::drop_all_mappings(*host);
  }
} at_exit;

}  // namespace
