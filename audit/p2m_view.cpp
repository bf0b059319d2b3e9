// Does the guest see the leaves where its own page tables map the linear p2m?
//
// The page of leaf i is at p2m_vaddr + 4096 * i. Each level of tables takes 9 bits of it:
//
//   63      48 47   39 38   30 29   21 20   12 11      0
//   | sign    |  L4   |  L3   |  L2   |  L1   |   0    |
#include "audit/p2m_view.h"

#include <array>

#include "proto/pages.h"

namespace ferry::audit {
namespace {

bool is_canonical(uint64_t vaddr) {
  const int64_t sign = static_cast<int64_t>(vaddr) >> 47;
  return sign == 0 || sign == -1;
}

class Walker {
 public:
  Walker(PageReader& reader, const PageMap& map) : reader_(reader), map_(map) {}

  // The pfn that vaddr leads to, or kNoPfn.
  uint64_t walk(uint64_t root, uint64_t vaddr) {
    uint64_t pfn = root;
    for (unsigned level = 4; level >= 1; --level) {
      if (pfn >= map_.size() || table_level(map_.kind(pfn)) != static_cast<int>(level))
        return kNoPfn;
      const uint64_t index = vaddr >> (12 + 9 * (level - 1)) & 511;
      const uint64_t entry = load_u64(table(pfn, level), index * sizeof(uint64_t));
      if ((entry & kPtePresent) == 0 || (level > 1 && (entry & kPteLargeOrPat) != 0)) return kNoPfn;
      pfn = frame_of_entry(entry);
    }
    return pfn;
  }

 private:
  struct Held {
    uint64_t pfn = kNoPfn;
    std::array<std::byte, kPageSize> bytes{};
  };

  // One table of each level is held: neighbours in the range share their tables.
  std::span<const std::byte> table(uint64_t pfn, unsigned level) {
    Held& held = held_[level - 1];
    if (held.pfn != pfn) {
      held.pfn = reader_.read(pfn, held.bytes) ? pfn : kNoPfn;
    }
    return held.bytes;
  }

  PageReader& reader_;
  const PageMap& map_;
  std::array<Held, 4> held_;
};

}  // namespace

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
    const uint64_t pfn = walker.walk(head.p2m_root_pfn(), vaddr);
    if (pfn == facts.leaves[i]) continue;
    const std::string found = pfn == kNoPfn ? "nothing" : fmt::format("pfn {:#x}", pfn);
    findings.add(
        rule::p2m_view, {.pfn = facts.leaves[i]},
        "The guest's page tables map {} at {:#x}, where p2m leaf {} (pfn {:#x}) should be.", found,
        vaddr, i, facts.leaves[i]);
  }
}

}  // namespace ferry::audit
