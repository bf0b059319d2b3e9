// What the program needs before it can speak to Xen: on the simulated machine a host, on a real one
// nothing.
#pragma once

#ifdef FERRY_CONFORMANCE_SIM
#include "sim/seam/binding.h"
#endif

namespace conformance {

#ifdef FERRY_CONFORMANCE_SIM
struct Here {
  std::unique_ptr<ferry::sim::Host> host =
      ferry::sim::Host::create({.seed = 1, .frames = 16384, .shadow_paging = false});
  ferry::sim::BindThread bind{*host};
};
#else
struct Here {
  Here() {}
};
#endif

}  // namespace conformance
