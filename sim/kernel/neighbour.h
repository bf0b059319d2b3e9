// A neighbour that grants some of its frames to a guest, as a backend does.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

struct Neighbour {
  DomainNumber domid = 0;
  uint32_t first_reference = 0, references = 0;
};

// A new domain on the host, without a kernel. Its granted frames hold its seed's pages.
Neighbour make_neighbour(Host& host, DomainNumber guest, uint64_t seed);

}  // namespace ferry::sim
