// The names that a guest moves under: judged here, whether a migration is begun, received, or only
// asked about.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "xen/lifecycle.h"

namespace ferry {

// As xl calls a guest that arrives, until it runs.
std::string incoming_name(const std::string& name);

// As xl and ferry call one that is given away, until it is destroyed.
std::string away_name(const std::string& name);

// Of the name alone, at either end. Throws Error(unsupported).
void check_name(const std::string& name);

// That a guest of that name and uuid can come to this host. source_is_here: it comes from this very
// host; going: domains that make room for it. Throws Error(unsupported): a name is taken, this very
// guest is here already, or a job that sends it from here is open; and Error if the toolstack does
// not answer.
void check_names_here(Lifecycle& life, const std::string& name, const std::string& uuid,
                      bool source_is_here, const std::vector<domid_t>& going = {});

// The domain with this name and uuid.
std::optional<DomainHere> find_named(Lifecycle& life, const std::string& name,
                                     const std::string& uuid);

// For people: "runs here", "is here, paused, as domain 3 (web1--migratedaway)".
std::string how_it_is(const DomainHere& guest, const std::string& name);

// For people, behind a sentence about a guest that is not here any more: that a domain with its
// name is another guest. Empty if there is none, or the toolstack does not answer.
std::string tell_namesake(Lifecycle& life, const std::string& name, const std::string& uuid);

}  // namespace ferry
