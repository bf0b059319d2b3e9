// What a page of a guest is, as the engine knows it: the numbers of ferry.v1.PageKind, without the
// code that takes an image apart.
#pragma once

#include <cstdint>
#include <optional>

namespace ferry {

enum class PageKind : uint8_t {
  data = 0,
  l1 = 1,
  l2 = 2,
  l3 = 3,
  l4 = 4,
  l1_pinned = 9,
  l2_pinned = 10,
  l3_pinned = 11,
  l4_pinned = 12,
  absent = 15,
  zero = 16,
  p2m_leaf = 17,
};

// Nothing for a number that is none of these.
std::optional<PageKind> page_kind_of(uint64_t number);

// True for the kinds whose pages come with 4096 bytes.
constexpr bool has_data(PageKind kind) {
  return kind != PageKind::absent && kind != PageKind::zero;
}
constexpr bool is_pinned(PageKind kind) {
  return kind >= PageKind::l1_pinned && kind <= PageKind::l4_pinned;
}
// 1 to 4 for page tables, 0 for everything else.
constexpr int table_level(PageKind kind) {
  if (kind >= PageKind::l1 && kind <= PageKind::l4) return static_cast<int>(kind);
  return is_pinned(kind) ? static_cast<int>(kind) - static_cast<int>(PageKind::l1_pinned) + 1 : 0;
}
constexpr bool is_page_table(PageKind kind) {
  return table_level(kind) != 0;
}

// "data", "L1 (pinned)", "zero", …
const char* kind_name(PageKind kind);

}  // namespace ferry
