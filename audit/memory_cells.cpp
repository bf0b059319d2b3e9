// A guest's memory in a few thousand cells.
#include "audit/memory_cells.h"

#include <algorithm>
#include <numeric>

namespace ferry::audit {
namespace {

PageClass class_of(v1::PageKind kind) {
  if (kind == kUnmentioned) return PageClass::unmentioned;
  switch (table_level(kind)) {
    case 1:
      return PageClass::l1;
    case 2:
      return PageClass::l2;
    case 3:
      return PageClass::l3;
    case 4:
      return PageClass::l4;
    default:
      break;
  }
  if (kind == v1::ZERO) return PageClass::zero;
  if (kind == v1::ABSENT) return PageClass::absent;
  return kind == v1::P2M_LEAF ? PageClass::p2m_leaf : PageClass::data;
}

}  // namespace

uint64_t MemoryCell::total() const {
  return std::accumulate(pages.begin(), pages.end(), uint64_t{0});
}

MemoryCell& MemoryCell::operator+=(const MemoryCell& other) {
  for (size_t i = 0; i < pages.size(); ++i) pages[i] += other.pages[i];
  again += other.again;
  return *this;
}

MemoryCell MemoryCells::sum() const {
  MemoryCell sum;
  for (const MemoryCell& cell : cells) sum += cell;
  return sum;
}

MemoryCells memory_cells(const PageMap& map, size_t most) {
  MemoryCells memory;
  while ((map.size() - 1) / memory.pages_per_cell >= most) memory.pages_per_cell *= 2;
  memory.cells.resize((map.size() - 1) / memory.pages_per_cell + 1);
  map.for_each_run(
      [&](uint64_t pfn, uint64_t count, v1::PageKind kind, v1::PageKind, uint8_t marks, uint64_t) {
        while (count != 0) {
          const uint64_t n = std::min(count, memory.pages_per_cell - pfn % memory.pages_per_cell);
          MemoryCell& cell = memory.cells[pfn / memory.pages_per_cell];
          cell.pages[static_cast<size_t>(class_of(kind))] += n;
          if ((marks & PageMap::kSentAgain) != 0) cell.again += n;
          pfn += n;
          count -= n;
        }
      });
  return memory;
}

}  // namespace ferry::audit
