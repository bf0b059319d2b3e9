// The two pages that guest and toolstack share: shared_info and start_info.
#pragma once

#include "audit/guest_facts.h"
#include "audit/page_map.h"
#include "audit/page_reader.h"
#include "audit/report.h"

namespace ferry::audit {

void check_shared_info(const v1::SharedInfo& record, const v1::Head& head, const Place& place,
                       Findings& findings);

// Reads the page facts.start_info; nothing to do if that is empty. Throws
// Error(io).
void check_start_info(PageReader& reader, const PageMap& map, const GuestFacts& facts,
                      Findings& findings);

}  // namespace ferry::audit
