// What a restored guest has so far: for each pfn the frame it got and what the image put there.
#pragma once

#include <cstdint>

#include "intake/page_kind.h"
#include "p2m/frames.h"
#include "pfn_map/pfn_map.h"

namespace ferry {

// About 8 bytes for each pfn that has a frame: a hostile nr_pfns costs nothing, nor do pages that
// lie far from each other.
class FrameMap {
 public:
  explicit FrameMap(uint64_t nr_pfns);

  uint64_t nr_pfns() const { return pages_.size(); }

  // Policy of canonicalize/table.h: true, and the frame, if the pfn has one. Any pfn may be asked.
  bool mfn_of(pfn_t pfn, mfn_t& mfn) const {
    if (pfn.raw() >= nr_pfns()) return false;
    const Page page = pages_.get(pfn.raw());
    if (page.mfn == kNone) return false;
    mfn = mfn_t(page.mfn);
    return true;
  }
  bool has_frame(pfn_t pfn) const {
    mfn_t ignored;
    return mfn_of(pfn, ignored);
  }
  void set_frame(pfn_t pfn, mfn_t mfn) { pages_.change(pfn.raw()).mfn = mfn.raw() & kNone; }
  void clear_frame(pfn_t pfn) { pages_.change(pfn.raw()).mfn = kNone; }

  // The kind of the last page the image had for this pfn; ABSENT if it had none.
  PageKind kind(pfn_t pfn) const {
    return pfn.raw() < nr_pfns() ? kind_of(pages_.get(pfn.raw())) : PageKind::absent;
  }
  void set_kind(pfn_t pfn, PageKind kind) {
    pages_.change(pfn.raw()).kind = static_cast<uint8_t>(kind);
  }

  // Calls visit(pfn, mfn, kind) for each pfn that has a frame, ascending.
  template <typename Visit>
  void for_each_frame(Visit visit) const {
    pages_.for_each_run([&](uint64_t pfn, uint64_t, const Page& page) {
      if (page.mfn != kNone) visit(pfn_t(pfn), mfn_t(page.mfn), kind_of(page));
    });
  }

 private:
  static constexpr uint64_t kNone = (uint64_t{1} << 52) - 1;  // a frame number has 52 bits
  struct Page {
    uint64_t mfn : 52 = kNone;
    uint64_t kind : 8 = static_cast<uint8_t>(PageKind::absent);
  };
  static PageKind kind_of(const Page& page) { return static_cast<PageKind>(page.kind); }

  PfnMap<Page> pages_;
};

}  // namespace ferry
