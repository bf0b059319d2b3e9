// Pages granted to another domain and mapped from one, which here is this very domain: what a
// driver's two ends do.
#pragma once

#include <stdint.h>

namespace ferry::kernel {

// table: where the first frames of the grant table are mapped.
void set_up_grants(uint64_t table);

// Grants a page and maps it, or ends that.
void act_with_grants();

// No frame of another domain may be mapped while the guest is saved, and in a new domain every
// grant names another frame.
void suspend_grants();
void resume_grants(bool cancelled);

}  // namespace ferry::kernel
