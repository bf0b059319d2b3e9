// The guest of a job, a second time on one host: somebody has started it again, from its
// configuration or from an older image.
#pragma once

#include <optional>
#include <string_view>

#include "migrate/job_journal.h"
#include "xen/lifecycle.h"

namespace ferry {

// In what one host says of such a domain, by which the other one knows what it is about.
inline constexpr std::string_view kIsSameGuest = "is the same guest";

// Whether that domain of this host is what the job sends from here, or brought here. Throws as
// below.
bool is_domain_of(const MigrationJob& job, domid_t domid);

// A domain of this host with the uuid of the job's guest that is neither what the job sends from
// here nor what it brought here. As long as there is one, nobody can say that the guest is not
// here, or never ran, and no other copy of it may be let run. Throws Error(internal) if the
// toolstack does not answer, Error(io) if the journal of the job's other side, where that is this
// host too, makes no sense.
std::optional<DomainHere> same_guest_here(Lifecycle& life, const MigrationJob& job);

// The guest of a job that this host sends is on this host as `other`, too: whoever has to decide
// which of them counts knows what both have done since. Throws Error(needs_operator), naming the
// commands for either.
[[noreturn]] void fail_two_here(const MigrationJob& job, const DomainHere& other,
                                bool sent_one_is_here);

}  // namespace ferry
