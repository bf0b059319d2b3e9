// The only place where guest memory is read: everything else works on the copy made here.
#include "save/copy_from_guest.h"

#include <cstdint>

#include "p2m/frames.h"

namespace ferry {
namespace {

using Pair = uint64_t __attribute__((vector_size(16), may_alias));

}  // namespace

// Both race with the guest by design, so the thread sanitizer is told not to look.
__attribute__((no_sanitize("thread"))) void copy_from_guest(const std::byte* guest_page,
                                                            std::byte* copy) {
  __builtin_memcpy(copy, guest_page, kPageSize);
}

__attribute__((no_sanitize("thread"))) bool guest_page_is_zero(const std::byte* guest_page) {
  const auto* const pairs = reinterpret_cast<const Pair*>(guest_page);
  constexpr size_t kPairs = kPageSize / sizeof(Pair), kInLine = 4;
  // A cache line at a time, so that a page of data is told after one of them.
  for (size_t i = 0; i < kPairs; i += kInLine) {
    const Pair any = (pairs[i] | pairs[i + 1]) | (pairs[i + 2] | pairs[i + 3]);
    if ((any[0] | any[1]) != 0) return false;
  }
  return true;
}

}  // namespace ferry
