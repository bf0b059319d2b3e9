// Are the pages of each vCPU's LDT what Xen wants when the guest first uses them?
#pragma once

#include "audit/guest_facts.h"
#include "audit/page_reader.h"
#include "audit/report.h"

namespace ferry::audit {

void check_ldt_pages(PageReader& reader, const PageMap& map, const GuestFacts& facts,
                     Findings& findings);

}  // namespace ferry::audit
