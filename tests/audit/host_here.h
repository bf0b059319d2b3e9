// What a program needs before it can speak to Xen: on the simulated machine a host, on a real one
// nothing.
#pragma once

#include <cstdint>

#ifdef FERRY_ON_SIM
#include "sim/seam/binding.h"
#endif

namespace ferry::test {

#ifdef FERRY_ON_SIM
struct HostHere {
  explicit HostHere(uint64_t pages)
      : host(sim::Host::create({.seed = 1, .frames = 2 * pages + 4096})), bind(*host) {}
  std::unique_ptr<sim::Host> host;
  sim::BindThread bind;
};
#else
struct HostHere {
  explicit HostHere(uint64_t) {}
};
#endif

}  // namespace ferry::test
