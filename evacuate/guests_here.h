// The guests of this host, and which of them can go to another one.
#pragma once

#include <string>
#include <vector>

#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry::evacuate {

struct LocalGuest {
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

// All domains of this host that are not being destroyed, domain 0 too. Nothing is touched. Throws
// Error: Xen or xenstore cannot be asked; Error(usage) if there is no domain of a name left out.
// left_out: names or numbers of domains that the operator leaves out.
std::vector<LocalGuest> guests_here(const Hypervisor& xen, Lifecycle& life,
                                    const std::vector<std::string>& left_out = {});

}  // namespace ferry::evacuate
