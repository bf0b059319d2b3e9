// What page tables and leaves of the p2m mean, as far as the image knows it.
#include "save/live/table_meanings.h"

#include "canonicalize/p2m_leaf.h"
#include "canonicalize/table.h"
#include "save/copy_from_guest.h"

namespace ferry {
namespace {

bool holds_frames(v1::PageKind kind) {
  return is_page_table(kind) || kind == v1::P2M_LEAF;
}

// Answers as the guest's view does, and remembers whether it was asked about a page that the image
// once said to be absent. A restore may have given such a page another frame than tables sent
// before that name.
class LeftPages {
 public:
  LeftPages(const GuestView& guest, const PageStates& states) : guest_(guest), states_(states) {}

  bool pfn_of(mfn_t mfn, pfn_t& pfn) const {
    if (!guest_.pfn_of(mfn, pfn)) return false;
    seen_ = seen_ || pfn.raw() >= states_.nr_pfns() || states_.left(pfn);
    return true;
  }
  bool seen() const { return seen_; }

 private:
  const GuestView& guest_;
  const PageStates& states_;
  mutable bool seen_ = false;
};

// False if an entry does not fit together.
bool canonicalize(v1::PageKind kind, table_page& page, const LeftPages& frames) {
  if (kind == v1::P2M_LEAF) return canonicalize_p2m_leaf(page, page, frames).ok();
  pt_level level = PT_PTE;
  return pt_level_of(static_cast<unsigned>(table_level(kind)), level) &&
         canonicalize_table(level, page, page, frames).ok();
}

}  // namespace

void TableMeanings::sent(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) {
  if (!holds_frames(kind)) return;
  const PageHash hash = hasher_.of(canonical);
  std::lock_guard lock(mutex_);
  sent_[pfn.raw()] = hash;
}

bool TableMeanings::is_doubtful(pfn_t pfn) const {
  return states_.frames_changed() && holds_frames(states_.kind(pfn));
}

bool TableMeanings::differs(const GuestView& guest, pfn_t pfn, const std::byte* guest_page) const {
  alignas(64) std::byte copy[kPageSize];
  copy_from_guest(guest_page, copy);
  const LeftPages frames(guest, states_);
  if (!canonicalize(states_.kind(pfn), *reinterpret_cast<table_page*>(copy), frames)) return true;
  const auto sent = sent_.find(pfn.raw());
  return frames.seen() || sent == sent_.end() || sent->second != hasher_.of(copy);
}

}  // namespace ferry
