// The only place where guest memory is read: everything else works on the copy made here.
#include "save/copy_from_guest.h"

#include <cstdint>
#include <cstring>

#include "p2m/frames.h"

namespace ferry {
namespace {

// In blocks of a cache line, so that a page of data is told after one of them.
bool all_zero(const std::byte* page) {
  constexpr size_t kBlock = 8;
  for (size_t at = 0; at < kPageSize; at += kBlock * sizeof(uint64_t)) {
    uint64_t words[kBlock];
    std::memcpy(words, page + at, sizeof words);
    uint64_t any = 0;
    for (uint64_t word : words) any |= word;
    if (any) return false;
  }
  return true;
}

}  // namespace

// Races with the guest by design, so the thread sanitizer is told not to look.
__attribute__((no_sanitize("thread"))) bool copy_from_guest(const std::byte* guest_page,
                                                            std::byte* copy) {
  __builtin_memcpy(copy, guest_page, kPageSize);
  return !all_zero(copy);
}

}  // namespace ferry
