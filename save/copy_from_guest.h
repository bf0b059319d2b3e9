// The only place where guest memory is read: everything else works on the copy made here.
#pragma once

#include <cstddef>

namespace ferry {

// Copies one page from a mapping of the guest's memory. The guest may be writing it: the copy is
// then a mixture, never a fault.
void copy_from_guest(const std::byte* guest_page, std::byte* copy);

// That each byte of it was zero when it was looked at. A page that is not is told after a cache
// line as a rule.
bool guest_page_is_zero(const std::byte* guest_page);

// That a page will be looked at soon: its first lines are on their way meanwhile.
inline void expect_guest_page(const std::byte* guest_page) {
  constexpr size_t kLine = 64, kLines = 4;
  for (size_t i = 0; i < kLines; ++i) __builtin_prefetch(guest_page + i * kLine);
}

}  // namespace ferry
