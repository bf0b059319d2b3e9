// The guests of this host, and which of them can go to another one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry::evacuate {

struct GuestHere {
  domid_t domid{};
  DomainUuid uuid{};
  std::string name;
  uint64_t bytes = 0;
  // Why it stays, in sentences; none: it goes.
  std::vector<std::string> stays = {};
  // It is not meant to go: domain 0, and what the operator leaves out.
  bool meant_to_stay = false;
  // An earlier migration of it was broken off: only the command in stays can tell where it runs.
  bool needs_operator = false;
};

struct Looking {
  // Whether the guest has said that it suspends when it is asked to.
  std::function<bool(domid_t)> says_it_can_suspend;
  // Names or numbers of domains that the operator leaves out.
  std::vector<std::string> left_out = {};
};

// All domains of this host that are not being destroyed, domain 0 too. Nothing is touched. Throws
// Error: Xen or xenstore cannot be asked; Error(usage) if there is no domain of a name left out.
std::vector<GuestHere> guests_here(const Hypervisor& xen, Lifecycle& life, const Looking& looking);

}  // namespace ferry::evacuate
