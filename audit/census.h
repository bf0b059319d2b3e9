// What is in the pages of an image: counts by round, page-table statistics, the kernel's banner, a
// map of the guest's memory.
#pragma once

#include <array>
#include <map>
#include <string>

#include "audit/memory_cells.h"
#include "pipeline/pipeline.h"
#include "proto/image_file.h"

namespace ferry::audit {

struct RoundCensus {
  std::map<v1::PageKind, uint64_t> pages = {};
  uint64_t bytes = 0;  // of the records
};

// Of all last versions of the tables of one level.
struct TableCensus {
  uint64_t tables = 0, pinned = 0;
  uint64_t present = 0, writable = 0, user = 0, no_execute = 0;
  uint64_t absent = 0;  // not present, but not zero: swap entries and the like
};

// ferry saves in at most so many rounds; what an image has beyond them counts as the last.
inline constexpr uint32_t kMostRounds = 10'000;

struct Census {
  std::map<uint32_t, RoundCensus> rounds = {};
  std::array<TableCensus, 4> levels{};  // L1 first
  std::string banner = {};              // "Linux version …", printable; empty if there is none
  MemoryCells memory = {};
};

// A map of a guest has at most so many cells.
inline constexpr size_t kMapCells = 2048;

// Goes through all pages. Throws Error(bad_image), Error(io).
Census take_census(const ImageFile& image, Executor& executor);

}  // namespace ferry::audit
