// Contents of data pages.
#include "sim/builder/page_content.h"

#include <cstring>

#include "p2m/frames.h"
#include "sim/machine/random.h"

namespace ferry::sim {

void fill_page(uint64_t seed, uint64_t pfn, unsigned zero_percent, uint8_t* page) {
  Random random(seed ^ (pfn + 1) * 0x2545f4914f6cdd1d);
  if (random.chance(zero_percent)) {
    memset(page, 0, kPageSize);
    return;
  }
  uint64_t words[kPageSize / 8];
  if (random.chance(60)) {  // few distinct words, as most memory has
    const uint64_t first = random.next() & 0xffff, step = random.below(3);
    for (unsigned i = 0; i < 512; ++i) words[i] = first + step * i;
    for (unsigned i = 0; i < 16; ++i) words[random.below(512)] = random.next();
  } else {
    for (uint64_t& word : words) word = random.next();
  }
  words[0] = pfn ^ seed;  // no two pages with data are alike
  memcpy(page, words, kPageSize);
}

bool holds_page(uint64_t seed, uint64_t pfn, unsigned zero_percent, const uint8_t* page) {
  uint8_t expected[kPageSize];
  fill_page(seed, pfn, zero_percent, expected);
  return memcmp(expected, page, kPageSize) == 0;
}

}  // namespace ferry::sim
