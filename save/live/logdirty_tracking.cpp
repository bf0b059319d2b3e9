// Tracking by Xen's log of written pages.
#include <sys/mman.h>

#include "save/live/table_meanings.h"
#include "save/live/tracking.h"
#include "xen/log_dirty.h"

namespace ferry {
namespace {

class LogDirtyTracking final : public Tracking {
 public:
  LogDirtyTracking(const Hypervisor& xen, domid_t domid, const PageStates& states)
      : xen_(xen), domid_(domid), tables_(states), log_(xen, domid, states.nr_pfns()) {}

  std::string_view name() const override { return "logdirty"; }
  bool wants_types() const override { return false; }  // a change of type is logged
  uint64_t window_pfns() const override { return kWindow; }

  void sent(pfn_t pfn, v1::PageKind kind, const std::byte* canonical) override {
    tables_.sent(pfn, kind, canonical);
  }

  // The log says of each write by which pfn the frame went at that moment. A pfn that got another
  // frame shows in the p2m; a fresh frame is in no log. A page that was given back and got
  // the same frame again shows in nothing but the part of the p2m that was written for it.
  void begin_scan(bool last) override { bits_ = log_.clean(last); }

  std::unique_ptr<Look> prepare(ScanWindow& window) override {
    const auto& leaves = window.guest->leaf_pfns();
    for (size_t i = 0; i < window.size(); ++i) {
      const uint64_t leaf = window.pfn(i).raw() / kP2mPerPage;
      if (logged(window.pfn(i)) || (leaf < leaves.size() && logged(leaves[leaf])))
        window.changed[i] = 1;
    }
    return window.last ? look_at_tables(window) : nullptr;
  }

 private:
  static constexpr uint64_t kWindow = 1024;

  // Tables that nobody has written.
  class Meanings final : public Look {
   public:
    Meanings(const TableMeanings& tables, ForeignMapping mapping, std::vector<size_t> at)
        : tables_(tables), mapping_(std::move(mapping)), at_(std::move(at)) {}

    void examine(ScanWindow& window) override {
      for (size_t n = 0; n < at_.size(); ++n)
        window.changed[at_[n]] =
            tables_.differs(*window.guest, window.pfn(at_[n]), mapping_.page(n));
      mapping_.unmap();
    }

   private:
    const TableMeanings& tables_;
    ForeignMapping mapping_;
    std::vector<size_t> at_;  // in the window, of each page mapped
  };

  std::unique_ptr<Look> look_at_tables(const ScanWindow& window) const {
    std::vector<size_t> at;
    std::vector<mfn_t> frames;
    for (size_t i = 0; i < window.size(); ++i) {
      if (window.changed[i] || window.frames[i] == ScanWindow::kNone) continue;
      if (!tables_.is_doubtful(window.pfn(i))) continue;
      at.push_back(i);
      frames.push_back(window.frames[i]);
    }
    if (at.empty()) return nullptr;
    ForeignMapping mapping(xen_, domid_, PROT_READ, frames, "page tables of the guest");
    return std::make_unique<Meanings>(tables_, std::move(mapping), std::move(at));
  }

  bool logged(pfn_t pfn) const {
    return pfn.raw() / 64 < bits_.size() && (bits_[pfn.raw() / 64] >> (pfn.raw() % 64) & 1);
  }

  const Hypervisor& xen_;
  const domid_t domid_;
  TableMeanings tables_;
  LogDirty log_;
  std::span<const uint64_t> bits_;
};

}  // namespace

std::unique_ptr<Tracking> make_logdirty_tracking(const Hypervisor& xen, domid_t domid,
                                                 const PageStates& states) {
  return std::make_unique<LogDirtyTracking>(xen, domid, states);
}

std::unique_ptr<Tracking> make_tracking(Track track, const Hypervisor& xen, domid_t domid,
                                        const PageStates& states) {
  if (track == Track::content) return make_content_tracking(xen, domid, states);
  try {
    return make_logdirty_tracking(xen, domid, states);
  } catch (const Error& e) {
    if (track == Track::logdirty || e.code() == Errc::internal) throw;
    return make_content_tracking(xen, domid, states);
  }
}

}  // namespace ferry
