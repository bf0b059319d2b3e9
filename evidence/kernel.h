// What is known of the Linux in a guest: where it says what it is, and its symbols.
#pragma once

#include "evidence/kallsyms.h"

namespace ferry::evidence {

// Picks of what looked like VMCOREINFO the one that the kernel itself knows as its own, so that no
// process can put one under; else, of a kernel that does not tell, the one that says most.
std::optional<VmcoreInfo> kernels_own(KernelMemory& memory, const VmcoreInfoSearch& search);

// The same, looking at the pages only until it is found. Kernels make it early, of the first free
// memory above their image, so that is soon. Throws Error(bad_image), Error(io).
std::optional<VmcoreInfo> find_kernels_own(const GuestPages& pages, KernelMemory& memory,
                                           Executor& executor);

}  // namespace ferry::evidence
