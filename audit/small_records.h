// The records that are neither pages nor index, read through the index.
#pragma once

#include "audit/guest_facts.h"
#include "audit/page_map.h"
#include "audit/report.h"

namespace ferry::audit {

// Judges each, and them together; fills facts and marks the map for the rules over the pages.
// Throws Error(bad_image) if one cannot be read.
void check_small_records(const ImageFile& image, PageMap& map, GuestFacts& facts,
                         Findings& findings);

}  // namespace ferry::audit
