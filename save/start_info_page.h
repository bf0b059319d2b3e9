// The guest's start_info page on its way out: what is this host's stays here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ferry {

// copy: 4096 bytes. The guest itself has turned its ring mfns into pfns before it suspended; throws
// Error(guest) if it did not.
void canonicalize_start_info(std::byte* copy, uint64_t nr_pfns);

}  // namespace ferry
