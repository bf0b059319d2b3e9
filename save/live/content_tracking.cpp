// Tracking without help from Xen: a page has changed if its hash has.
#include <mutex>
#include <unordered_map>

#include "canonicalize/p2m_leaf.h"
#include "canonicalize/table.h"
#include "save/copy_from_guest.h"
#include "save/live/content_hash.h"
#include "save/live/frame_windows.h"
#include "save/live/tracking.h"

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

class ContentTracking final : public Tracking {
 public:
  ContentTracking(const Hypervisor& xen, domid_t domid, const PageStates& states)
      : states_(states), hashes_(states.nr_pfns()), windows_(xen, domid, states.nr_pfns()) {}

  std::string_view name() const override { return "content"; }
  bool wants_types() const override { return true; }
  uint64_t window_pfns() const override { return windows_.window_pfns(); }

  void copied(pfn_t pfn, const std::byte* raw) override { hashes_[pfn.raw()] = hasher_.of(raw); }

  void sent(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) override {
    if (!holds_frames(kind)) return;
    const PageHash hash = hasher_.of(canonical);
    std::lock_guard lock(mutex_);
    tables_[pfn.raw()] = hash;
  }

  void begin_scan(bool) override {}

  std::unique_ptr<Look> prepare(ScanWindow& window) override {
    auto mapped = windows_.map(window.first, window.frames);
    for (size_t i = 0; i < window.size(); ++i) {
      if (window.frames[i] == ScanWindow::kNone || window.types[i] == kTypeAbsent) continue;
      if (!mapped->bad[i]) continue;
      window.changed[i] = 1;  // given away while we looked: look again
      windows_.release(window.first);
    }
    return std::make_unique<Compare>(*this, std::move(mapped));
  }

  void release_gone(const GuestView& guest) override { windows_.release_gone(guest); }

 private:
  class Compare final : public Look {
   public:
    Compare(ContentTracking& tracking, std::shared_ptr<const FrameWindows::Window> mapped)
        : tracking_(tracking), mapped_(std::move(mapped)) {}

    void examine(ScanWindow& window) override {
      for (size_t i = 0; i < window.size(); ++i) {
        if (window.changed[i] || mapped_->bad[i] || window.types[i] == kTypeAbsent) continue;
        window.changed[i] = tracking_.differs(window, i, mapped_->mapping.page(i));
      }
      mapped_.reset();
    }

   private:
    ContentTracking& tracking_;
    std::shared_ptr<const FrameWindows::Window> mapped_;
  };

  bool differs(const ScanWindow& window, size_t i, const std::byte* page) const {
    const pfn_t pfn = window.pfn(i);
    if (hasher_.of_guest_page(page) != hashes_[pfn.raw()]) return true;
    const v1::PageKind kind = states_.kind(pfn);
    if (!window.last || !states_.frames_changed() || !holds_frames(kind)) return false;
    return means_something_else(*window.guest, pfn, kind, page);
  }

  // The same frame numbers in a table are other pages once frames have changed hands.
  bool means_something_else(const GuestView& guest, pfn_t pfn, v1::PageKind kind,
                            const std::byte* page) const {
    alignas(64) std::byte copy[kPageSize];
    copy_from_guest(page, copy);
    const LeftPages frames(guest, states_);
    if (!canonicalize(kind, *reinterpret_cast<table_page*>(copy), frames) || frames.seen())
      return true;
    const auto sent = tables_.find(pfn.raw());
    return sent == tables_.end() || sent->second != hasher_.of(copy);
  }

  const PageStates& states_;
  const PageHasher hasher_;
  std::vector<PageHash> hashes_;
  FrameWindows windows_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, PageHash> tables_;  // as they were sent; changed only while sending
};

}  // namespace

std::unique_ptr<Tracking> make_content_tracking(const Hypervisor& xen, domid_t domid,
                                                const PageStates& states) {
  return std::make_unique<ContentTracking>(xen, domid, states);
}

}  // namespace ferry
