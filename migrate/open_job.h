// A guest that a migration has a claim to: nobody else may save, move or resume it.
#pragma once

#include <optional>
#include <string>

#include "migrate/job_journal.h"
#include "xen/domain.h"

namespace ferry {

// The job of this host as a source that is open for this very guest.
std::optional<MigrationJob> open_job_of(const DomainInfo& domain);

// Throws Error(needs_operator), naming the command that settles the job, if one is open on this
// host for this guest, whatever its domain: what the job sends or brought here, or the same guest
// that somebody has started again (same_guest.h); Error(busy) if a process works on it. Only the
// copy that a job brought here is nobody's once it runs after a go. A journal that cannot be read
// is nobody's claim (the note of the guest's suspension names its job, too).
void refuse_open_job(const Hypervisor& xen, const DomainInfo& domain);

// For whoever makes the guest with that uuid again, of an image: the same if any job of this host
// is open for it, whether there is a domain of it here or not. It may run elsewhere.
void refuse_open_job_of(const std::string& uuid);
// And that such a guest has left this host by a migration, if it did: for people, on standard
// error. It may have ended there, or come back, since.
void tell_where_it_went(const std::string& uuid);

// For whoever saves or moves the guest: the same, and a suspended one of which nobody here knows
// that it does not run elsewhere: out of the image of a save that was broken off, too. Throws
// Error(busy), Error(needs_operator).
void refuse_claimed(const Hypervisor& xen, const DomainInfo& domain);

// Whether the job with this ID ended with the guest here: then no copy of it can run elsewhere.
bool was_taken_back(const std::string& id);

}  // namespace ferry
