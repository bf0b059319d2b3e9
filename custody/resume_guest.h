// Bringing back a guest that a broken save left suspended, over any life cycle.
#pragma once

#include <functional>
#include <string>

#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry {

// Throws if somebody has a claim to the guest that only its own command may settle: a migration job
// that is open. Asked under the domain's lock.
using RefuseClaimed = std::function<void(const DomainInfo&)>;

// What is known of migrations, asked under the domain's lock too.
struct MigrationClaims {
  RefuseClaimed refuse_open;
  // Whether the job with this ID ended with the guest here.
  std::function<bool(const std::string&)> was_taken_back;
};

// Resumes the domain of that name or number and returns its number. Refuses one that no save of
// ferry suspended, unless forced: it may run elsewhere. A guest that runs although a save left its
// note needs nothing but the note's removal. Throws Error: guest, busy, needs_operator, …
domid_t resume_guest(const Hypervisor& xen, Lifecycle& life, const std::string& name, bool force,
                     const MigrationClaims& claims = {});

}  // namespace ferry
