// Bringing back a guest that a broken save left suspended, over any life cycle.
#pragma once

#include <functional>
#include <string>

#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry {

// Throws if somebody has a claim to the guest that only its own command may settle: a migration job
// that is open. Asked under the domain's lock.
using RefuseClaimed = std::function<void(const Hypervisor&, const DomainInfo&)>;

// What is known of migrations, asked under the domain's lock too.
struct MigrationClaims {
  RefuseClaimed refuse_open;
  // Whether the job with this ID ended with the guest here.
  std::function<bool(const std::string&)> was_taken_back;
};

// A suspended guest is this host's only if a save of ferry left it so, or a migration that took it
// back: any other may run elsewhere. Throws Error(needs_operator), naming what an operator can do
// who knows better. One that runs and was never suspended by ferry is nobody else's.
void refuse_unvouched(const DomainInfo& domain, const MigrationClaims& claims);

struct ResumedGuest {
  domid_t domid{};
  bool paused = false;  // as it was when it was suspended
};

// Resumes the domain of that name or number. Refuses one that no save of ferry suspended, unless
// forced: it may run elsewhere. A guest that runs although a save left its note needs nothing but
// the note's removal. Throws Error: guest, busy, needs_operator, …
ResumedGuest resume_guest(const Hypervisor& xen, Lifecycle& life, const std::string& name,
                          bool force, const MigrationClaims& claims = {});

}  // namespace ferry
