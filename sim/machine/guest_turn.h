// Whose turn it is to be the CPUs of a host's guests: one program's at a time, of all that have the
// host's file open. Goes with the program however it ends. Programs that only share the machine's
// memory, as the hypervisor's do, need none.
#pragma once

#include "sim/machine/host.h"

namespace ferry::sim {

class GuestTurn {
 public:
  explicit GuestTurn(Host& host);
  ~GuestTurn();
  GuestTurn(const GuestTurn&) = delete;
  GuestTurn& operator=(const GuestTurn&) = delete;

 private:
  int fd_;
};

}  // namespace ferry::sim
