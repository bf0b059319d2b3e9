// The kernel's own table of its symbols, which VMCOREINFO of Linux 6.0 and later leads to.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evidence/kernel_memory.h"
#include "evidence/vmcoreinfo.h"

namespace ferry::evidence {

// Addresses by name, of those names that the table has; of several with one name the first. Empty
// if there is no table, or none that makes sense. Throws Error(bad_image), Error(io).
std::map<std::string, uint64_t> find_symbols(KernelMemory& memory, const VmcoreInfo& info,
                                             const std::vector<std::string>& names);

}  // namespace ferry::evidence
