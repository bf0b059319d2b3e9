// A guest that a migration has a claim to: nobody else may save, move or resume it.
#pragma once

#include "xen/domain.h"

namespace ferry {

// Of the jobs of this host as a source. Throws Error(needs_operator), naming the command that
// settles the job, if one is open for this guest; Error(busy) if a process works on it. A journal
// that cannot be read is nobody's claim (the note of the guest's suspension names its job, too).
void refuse_open_job(const DomainInfo& domain);

}  // namespace ferry
