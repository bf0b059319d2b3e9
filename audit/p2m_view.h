// Does the guest see the leaves where its own page tables map the linear p2m?
#pragma once

#include "audit/guest_facts.h"
#include "audit/page_map.h"
#include "audit/page_reader.h"
#include "audit/report.h"

namespace ferry::audit {

// Walks the range that starts at head.p2m_vaddr under head.p2m_root_pfn, a linear p2m's root that
// has been found to be an L4 table. Throws Error(io).
void check_p2m_view(PageReader& reader, const v1::Head& head, const PageMap& map,
                    const GuestFacts& facts, Findings& findings);

}  // namespace ferry::audit
