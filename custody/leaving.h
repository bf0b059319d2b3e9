// Whether a guest can leave, into an image or for another host, as far as its toolstack and its own
// word tell: asked before anything of it is touched.
#pragma once

#include <string>
#include <vector>

#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry {

struct Leaving {
  std::string config;              // what is to be saved of how it would be made again, JSON
  std::vector<std::string> notes;  // for people, sentences that begin with "it"
};

// Throws Error(unsupported) for a guest that is not to leave (nomigrate) or says itself that it
// does not suspend, and for a configuration that no restore would take; Error(internal).
Leaving look_at_leaving(Lifecycle& life, const DomainInfo& domain);

// The guest's own word alone. Throws Error(unsupported).
void refuse_who_cannot_suspend(SuspendWord word, domid_t domid);

// For people, on standard error.
void tell_notes(const std::string& name, const Leaving& leaving);

}  // namespace ferry
