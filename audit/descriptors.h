// Would Xen take a page as part of a descriptor table?
#pragma once

#include <span>

#include "audit/report.h"

namespace ferry::audit {

// What is wrong with one descriptor of a 64-bit guest, or an empty text.
std::string_view fault_of_descriptor(uint64_t descriptor);

// Judges all 512 descriptors of the GDT frame at place.pfn: Xen does, however many are in use.
void check_gdt_page(const Place& place, std::span<const std::byte, kPageSize> page,
                    Findings& findings);

}  // namespace ferry::audit
