// The content of a scratch guest's data pages: a function of the guest's seed and the pfn, so that
// it can be checked at any moment without being kept.
#pragma once

#include <cstdint>

namespace ferry::sim {

// Writes the 4096 bytes of that page: all zero, compressible, or random, in the spec's proportions.
void fill_page(uint64_t seed, uint64_t pfn, unsigned zero_percent, uint8_t* page);

// Whether a page holds exactly that.
bool holds_page(uint64_t seed, uint64_t pfn, unsigned zero_percent, const uint8_t* page);

}  // namespace ferry::sim
