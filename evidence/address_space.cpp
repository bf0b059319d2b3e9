// What an address space maps.
#include "evidence/address_space.h"

#include <array>

#include "audit/layout.h"
#include "error/error.h"
#include "proto/pages.h"

namespace ferry::evidence {
namespace {

// A page has the kernel's direct map, the kernel's image or a module, and some processes; a guest
// with little memory may have many tables for it.
constexpr uint64_t kTimes = 8, kAlways = 1u << 18;
constexpr uint64_t kSignBit = uint64_t{1} << 47;

class Walk {
 public:
  Walk(const GuestPages& pages, const std::function<bool(uint64_t, uint64_t)>& visit)
      : pages_(pages), visit_(visit), most_(kTimes * pages.size() + kAlways) {}

  // False if visit() has ended it.
  bool table(uint64_t pfn, unsigned level, uint64_t vaddr) {
    const audit::PageMap& map = pages_.map();
    if (pfn >= map.size() || table_level(map.kind(pfn)) != static_cast<int>(level)) return true;
    std::array<std::byte, kPageSize> bytes;
    if (!pages_.read(pfn, bytes)) return true;
    count();
    for (unsigned i = 0; i < audit::kEntriesPerTable; ++i) {
      if (level == 4 && i >= audit::kFirstXenSlot && i <= audit::kLastXenSlot) continue;
      const uint64_t entry = audit::load_u64(bytes, i * sizeof(uint64_t));
      if ((entry & audit::kPtePresent) == 0) continue;
      if (level > 1 && (entry & audit::kPteLargeOrPat) != 0) continue;
      const uint64_t at = vaddr | uint64_t{i} << (kPageShift + 9 * (level - 1));
      if (!follow(audit::frame_of_entry(entry), level,
                  (at & kSignBit) != 0 ? at | ~(kSignBit - 1) : at))
        return false;
    }
    return true;
  }

 private:
  bool follow(uint64_t pfn, unsigned level, uint64_t vaddr) {
    if (level > 1) return table(pfn, level - 1, vaddr);
    if (pfn >= pages_.size() || !pages_.map().populated(pfn)) return true;
    count();
    return visit_(vaddr, pfn);
  }
  // Few tables can name each other so often that this would never end.
  void count() {
    if (++looked_at_ > most_)
      fail(Errc::unsupported, "the page tables map more than {} pages, far more than the guest has",
           most_);
  }

  const GuestPages& pages_;
  const std::function<bool(uint64_t, uint64_t)>& visit_;
  const uint64_t most_;
  uint64_t looked_at_ = 0;
};

}  // namespace

void each_mapped(const GuestPages& pages, uint64_t root,
                 const std::function<bool(uint64_t vaddr, uint64_t pfn)>& visit) {
  Walk(pages, visit).table(root, 4, 0);
}

}  // namespace ferry::evidence
