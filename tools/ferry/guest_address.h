// Addresses of the saved guest, as commands take them: pfns, and virtual addresses of a vCPU.
#pragma once

#include <optional>
#include <string>

#include "audit/walk.h"
#include "proto/image_file.h"

namespace ferry {

// "0x1f", "31", or for virtual addresses also "ffff888000000000". Throws Error(usage).
uint64_t parse_number(const std::string& text, const char* what);

struct PfnRange {
  uint64_t first = 0, count = 1;
};
// "7", "7..9" (both included) or "7+3". Throws Error(usage).
PfnRange parse_pfn_range(const std::string& text);

// pfn of the L4 that this vCPU had loaded, for its kernel or for its user. Throws Error(usage) if
// the image has no such vCPU or it no such table, Error(bad_image).
uint64_t page_table_root(const ImageFile& image, uint32_t vcpu, bool user);

// "P RW US A D NX avail 1": the flags of an entry.
std::string flags_in_words(uint64_t entry, unsigned level);

}  // namespace ferry
