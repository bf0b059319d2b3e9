// Tracking without help from Xen: a page has changed if its hash has.
#include "save/live/content_hash.h"
#include "save/live/frame_windows.h"
#include "save/live/table_meanings.h"
#include "save/live/tracking.h"

namespace ferry {
namespace {

class ContentTracking final : public Tracking {
 public:
  ContentTracking(const Hypervisor& xen, domid_t domid, const PageStates& states)
      : tables_(states), hashes_(states.nr_pfns()), windows_(xen, domid, states.nr_pfns()) {}

  std::string_view name() const override { return "content"; }
  bool wants_types() const override { return true; }
  uint64_t window_pfns() const override { return windows_.window_pfns(); }

  void copied(pfn_t pfn, const std::byte* raw) override { hashes_[pfn.raw()] = hasher_.of(raw); }

  void sent(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) override {
    tables_.sent(pfn, kind, canonical);
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
    return window.last && tables_.is_doubtful(pfn) && tables_.differs(*window.guest, pfn, page);
  }

  TableMeanings tables_;
  const PageHasher hasher_;
  std::vector<PageHash> hashes_;
  FrameWindows windows_;
};

}  // namespace

std::unique_ptr<Tracking> make_content_tracking(const Hypervisor& xen, domid_t domid,
                                                const PageStates& states) {
  return std::make_unique<ContentTracking>(xen, domid, states);
}

}  // namespace ferry
