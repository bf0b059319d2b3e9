// The surroundings of a real evacuation: hosts are asked as ferry check asks them, and each move is
// ferry migrate as a child.
#pragma once

#include "evacuate/evacuation.h"
#include "host/this_host.h"
#include "migrate/job_journal.h"

namespace ferry::evacuate {

struct MoveOrder {
  std::vector<std::string> before;       // what stands before a command of this program
  std::vector<std::string> environment;  // settings for the children, as NAME=value
  std::vector<Peer> hosts;
  bool quiet = false;  // nobody is told what happens
};

// host outlives the result.
std::unique_ptr<Surroundings> migrate_children(host::ThisHost& host, MoveOrder order);

}  // namespace ferry::evacuate
