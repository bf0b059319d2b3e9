// Does the guest see the leaves where its own page tables map the linear p2m?
//
// The page of leaf i is at p2m_vaddr + 4096 * i.
#include "audit/p2m_view.h"

#include "audit/walk.h"

namespace ferry::audit {

void check_p2m_view(PageReader& reader, const v1::Head& head, const PageMap& map,
                    const GuestFacts& facts, Findings& findings) {
  const uint64_t first = head.p2m_vaddr(), pages = facts.leaves.size();
  if (pages == 0) return;
  const uint64_t last = first + (pages - 1) * kPageSize;
  if (first % kPageSize != 0 || last < first || !is_canonical(first) || !is_canonical(last)) {
    findings.add(rule::p2m_view, {}, "The linear p2m cannot lie at {:#x}.", first);
    return;
  }
  Walker walker(reader, map);
  for (uint64_t i = 0; i < pages; ++i) {
    if (facts.leaves[i] == kNoPfn) continue;
    const uint64_t vaddr = first + i * kPageSize;
    const std::optional<uint64_t> pfn = walker.walk(head.p2m_root_pfn(), vaddr).pfn;
    if (pfn == facts.leaves[i]) continue;
    const std::string found = pfn ? fmt::format("pfn {:#x}", *pfn) : "nothing";
    findings.add(
        rule::p2m_view, {.pfn = facts.leaves[i]},
        "The guest's page tables map {} at {:#x}, where p2m leaf {} (pfn {:#x}) should be.", found,
        vaddr, i, facts.leaves[i]);
  }
}

}  // namespace ferry::audit
