// A guest's memory in a few thousand cells: what the pages of each of them are.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "audit/page_map.h"

namespace ferry::audit {

// What a page is on a map: its kind, but pinned or not is the same.
enum class PageClass : uint8_t { data, zero, l1, l2, l3, l4, p2m_leaf, absent, unmentioned };
inline constexpr size_t kPageClasses = 9;

struct MemoryCell {
  std::array<uint64_t, kPageClasses> pages{};  // by PageClass, of the last version
  uint64_t again = 0;                          // of them, sent more than once

  uint64_t of(PageClass page_class) const { return pages[static_cast<size_t>(page_class)]; }
  uint64_t total() const;
  MemoryCell& operator+=(const MemoryCell& other);
  friend bool operator==(const MemoryCell&, const MemoryCell&) = default;
};

// Cell i is about pfns i * pages_per_cell and following; the last one may have fewer.
struct MemoryCells {
  uint64_t pages_per_cell = 1;  // a power of two
  std::vector<MemoryCell> cells = {};

  MemoryCell sum() const;
};

// As few pages a cell as `most` cells allow.
MemoryCells memory_cells(const PageMap& map, size_t most);

}  // namespace ferry::audit
