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
  facts.leaves.for_each_run([&](uint64_t leaf, uint64_t, uint64_t pfn) {
    if (pfn == kNoPfn) return;
    const uint64_t vaddr = first + leaf * kPageSize;
    const std::optional<uint64_t> there = walker.walk(head.p2m_root_pfn(), vaddr).pfn;
    if (there == pfn) return;
    const std::string found = there ? fmt::format("pfn {:#x}", *there) : "nothing";
    findings.add(
        rule::p2m_view, {.pfn = pfn},
        "The guest's page tables map {} at {:#x}, where p2m leaf {} (pfn {:#x}) should be.", found,
        vaddr, leaf, pfn);
  });
}

}  // namespace ferry::audit
