// The only place where guest memory is read: everything else works on the copy made here.
#pragma once

#include <cstddef>

namespace ferry {

// Copies one page from a mapping of the guest's memory. The guest may be writing it: the copy is
// then a mixture, never a fault. Returns false if the copy is all zeros.
bool copy_from_guest(const std::byte* guest_page, std::byte* copy);

}  // namespace ferry
