// What a page looked like, in 16 bytes that a guest can neither predict nor forge.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace ferry {

struct PageHash {
  uint64_t low = 0, high = 0;
  friend bool operator==(const PageHash&, const PageHash&) = default;
};

// XXH3-128 with a random key of its own: of one job, never kept.
class PageHasher {
 public:
  PageHasher();

  // Of 4096 bytes that nobody else writes.
  PageHash of(const std::byte* page) const;
  // Of a page in a mapping of the guest. The guest may be writing it: the hash is then one of no
  // page at all, never a fault.
  PageHash of_guest_page(const std::byte* guest_page) const;

 private:
  std::array<std::byte, 192> key_;
};

}  // namespace ferry
