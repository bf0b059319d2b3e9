// Walks of the guest's own page tables.
#include "audit/walk.h"

#include "audit/layout.h"
#include "proto/pages.h"

namespace ferry::audit {

const Walker::Held* Walker::table(uint64_t pfn, unsigned level) {
  Held& held = held_[level - 1];
  if (held.pfn != pfn) {
    held.pfn.reset();
    if (!reader_.read(pfn, held.bytes)) return nullptr;
    held.pfn = pfn;
  }
  return &held;
}

Walk Walker::walk(uint64_t root, uint64_t vaddr) {
  Walk walk;
  const auto stop = [&](const char* fault) {
    walk.fault = fault;
    return walk;
  };
  if (!is_canonical(vaddr)) return stop("no CPU takes this address: it is not canonical");
  uint64_t pfn = root;
  for (unsigned level = 4; level >= 1; --level) {
    if (pfn >= map_.size()) return stop("this is beyond the guest");
    if (table_level(map_.kind(pfn)) != static_cast<int>(level))
      return stop("this page is no table of that level");
    const Held* held = table(pfn, level);
    if (held == nullptr) return stop("the image does not have this table");
    const auto index = static_cast<unsigned>(vaddr >> (kPageShift + 9 * (level - 1)) & 511);
    const uint64_t entry = load_u64(held->bytes, index * sizeof(uint64_t));
    walk.steps[walk.taken++] = {level, pfn, index, entry};
    if (level == 4 && index >= kFirstXenSlot && index <= kLastXenSlot)
      return stop("the address is Xen's own");
    if ((entry & kPtePresent) == 0) return stop("not present");
    if (level > 1 && (entry & kPteLargeOrPat) != 0) return stop("a large page");
    pfn = frame_of_entry(entry);
  }
  if (pfn >= map_.size()) return stop("this is beyond the guest");
  walk.pfn = pfn;
  return walk;
}

}  // namespace ferry::audit
