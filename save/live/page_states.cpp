// What a live save has told of each page so far.
#include "save/live/page_states.h"

namespace ferry {

void PageStates::set(pfn_t pfn, uint64_t frame, v1::PageKind kind, uint64_t flags) {
  uint64_t& word = words_[pfn.raw()];
  // A page whose frame was somebody else's for a while was absent too, whatever its frame is.
  if ((word & kNoFrame) != frame || is_absent(pfn) != (kind == v1::ABSENT)) found_elsewhere(pfn);
  word = frame | static_cast<uint64_t>(kind) << kKindShift | kTold | (word & kLeft) | flags;
}

void PageStates::found_elsewhere(pfn_t pfn) {
  if (words_[pfn.raw()] & kTold) frames_changed_.store(true, std::memory_order_relaxed);
}

void PageStates::absent(pfn_t pfn) {
  set(pfn, kNoFrame, v1::ABSENT, kLeft);
}

void PageStates::sent(pfn_t pfn, mfn_t mfn, v1::PageKind kind) {
  set(pfn, mfn.raw(), kind, kind == v1::ABSENT ? kLeft : 0);
}

}  // namespace ferry
