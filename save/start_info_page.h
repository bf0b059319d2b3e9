// The guest's start_info page on its way out: what is this host's stays here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "p2m/frames.h"

namespace ferry {

// copy: 4096 bytes. The guest itself has turned its ring mfns into pfns before it suspended; throws
// Error(guest) if it did not.
void canonicalize_start_info(std::byte* copy, uint64_t nr_pfns);

// The pages of the xenstore and the console ring, which a suspended guest has put there as pfns.
// page: 4096 bytes. Not checked.
std::array<pfn_t, 2> rings_of_start_info(const std::byte* page);

}  // namespace ferry
