// Would Xen take a page as the page table that the image says it is?
#pragma once

#include <span>

#include "audit/page_map.h"
#include "audit/report.h"

namespace ferry::audit {

// Judges each entry of the table at place.pfn, of place.level (1 to 4). May run on several threads
// at once, for different pages, once the kinds and GDT frames are in the map.
void check_table(PageMap& map, const Place& place, std::span<const std::byte, kPageSize> table,
                 Findings& findings);

// Judges a table that a later record replaces: a restore from a pipe still puts it into memory, so
// its entries must name pfns of the guest.
void check_replaced_table(const PageMap& map, const Place& place,
                          std::span<const std::byte, kPageSize> table, Findings& findings);

// After all tables: those that are linear and mapped linearly.
void check_linear_depth(const PageMap& map, Findings& findings);

}  // namespace ferry::audit
