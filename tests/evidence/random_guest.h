// Guests of some thousand pfns of all sorts.
#pragma once

#include <algorithm>
#include <functional>

#include "tests/audit/corruption.h"

namespace ferry::test {

// Saved in rounds or not, in records of any size. fill(page) makes the contents of a page with
// data.
inline TestGuest random_guest(Random& random, const std::function<void(PageBytes&)>& fill) {
  TestGuest guest;
  const uint64_t pfns = TestGuest::kPfns + random() % 3000;
  guest.head.set_nr_pfns(pfns);
  for (uint64_t pfn = TestGuest::kPfns; pfn < pfns;) {
    const uint64_t many = 1 + random() % (random() % 2 == 0 ? 3 : 300);
    const uint64_t what = random() % 4;
    for (const uint64_t end = std::min(pfns, pfn + many); pfn < end; ++pfn) {
      if (what == 0) continue;
      TestPage& page = guest.pages[pfn];
      if (what == 1)
        page.kind = v1::ZERO;
      else
        fill(page.words);
      if (random() % 4 == 0) fill(guest.earlier[pfn].words);
    }
  }
  if (random() % 2 == 0) guest.earlier.clear();
  for (uint64_t many = random() % 4; many != 0; --many)
    guest.unmentioned.push_back(TestGuest::kPfns / 2 + random() % (pfns / 2));
  guest.pages_per_record = static_cast<unsigned>(1 + random() % 300);
  guest.level = static_cast<int>(random() % 2);
  return guest;
}

}  // namespace ferry::test
