// A connection handed from one process of this host to another.
#pragma once

#include <cstdint>
#include <optional>

#include "io/descriptor.h"

namespace ferry {

// Over a socket of AF_UNIX, with a number of the sender's. Throws Error(io).
void pass_descriptor(int over, int descriptor, uint32_t number);

struct PassedDescriptor {
  Descriptor descriptor;
  uint32_t number = 0;
};

// Waits so long for one. Throws Error(io), also when nobody can send one any more.
PassedDescriptor take_descriptor(int over, int timeout_ms);

}  // namespace ferry
