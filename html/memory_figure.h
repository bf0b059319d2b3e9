// The map of a guest's memory: strips of cells, each a column of what its pages are.
#pragma once

#include <string>

#include "audit/memory_cells.h"

namespace ferry::html {

// With legend, and all of it in numbers. At most about 140 bytes a cell.
std::string memory_figure(const audit::MemoryCells& memory);

}  // namespace ferry::html
