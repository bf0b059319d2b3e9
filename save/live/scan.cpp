// One look at the whole guest: which pages are not what the image says of them.
#include "save/live/scan.h"

#include <algorithm>

#include "save/live/frame_windows.h"
#include "save/page_kind.h"

namespace ferry {
namespace {

class ScanJob final : public Job {
 public:
  ScanJob(ScanContext& context, ScanResult& result, std::shared_ptr<const GuestView> guest,
          pfn_t first, uint64_t pfns, bool last)
      : context_(context), result_(result) {
    window_.first = first;
    window_.guest = std::move(guest);
    window_.last = last;
    window_.frames.resize(pfns);
    window_.changed.assign(pfns, 0);
    read_frames(*window_.guest, first, window_.frames);
    if (last || context.tracking.wants_types()) read_types();
    for (size_t i = 0; i < pfns; ++i) window_.changed[i] = is_other(i);
    look_ = context.tracking.prepare(window_);
  }

  void work() override {
    if (look_) look_->examine(window_);
    look_.reset();
  }

  void consume() override {
    for (size_t i = 0; i < window_.size(); ++i) {
      const pfn_t pfn = window_.pfn(i);
      const bool absent = window_.frames[i] == ScanWindow::kNone;
      if (absent && (window_.last || window_.changed[i])) result_.gone.add(pfn);
      if (absent || !window_.changed[i]) continue;
      result_.dirty.add(pfn);
      ++(context_.states.owed(pfn) ? result_.owed : result_.changed);
    }
  }

 private:
  void read_types() {
    window_.types.assign(window_.size(), kTypeAbsent);
    std::vector<mfn_t> frames;
    std::vector<size_t> at;
    std::vector<PageType> types;
    for (size_t i = 0; i <= window_.size(); ++i) {
      if (frames.size() == kMaxTypeBatch || i == window_.size()) {
        get_page_types(context_.xen, context_.domid, frames, types);
        for (size_t n = 0; n < at.size(); ++n) window_.types[at[n]] = types[n];
        frames.clear();
        at.clear();
      }
      if (i == window_.size() || window_.frames[i] == ScanWindow::kNone) continue;
      frames.push_back(window_.frames[i]);
      at.push_back(i);
    }
  }

  // What frame and type alone tell.
  bool is_other(size_t i) const {
    const pfn_t pfn = window_.pfn(i);
    const PageStates& states = context_.states;
    if (states.owed(pfn)) return true;
    if (window_.frames[i] == ScanWindow::kNone) return !states.has_no_frame(pfn);
    if (!states.has_frame(pfn, window_.frames[i])) return true;
    // A frame that is not the guest's: the p2m still has it, so whoever sends the page will say so.
    if (window_.last && states.is_absent(pfn)) return true;
    const bool leaf = window_.guest->is_leaf(pfn);
    if (window_.types.empty()) return (states.kind(pfn) == v1::P2M_LEAF) != leaf;
    try {
      return page_kind(pfn, window_.types[i], leaf) != states.kind(pfn);
    } catch (const Error&) {
      return true;  // whoever sends it will say what is wrong, if it still is
    }
  }

  ScanContext& context_;
  ScanResult& result_;
  ScanWindow window_;
  std::unique_ptr<Tracking::Look> look_;
};

// The last look compares what tables mean, if frames have changed hands; it has to know that before
// it looks at the first table.
void find_changed_frames(PageStates& states, const GuestView& guest) {
  for (pfn_t pfn(0); pfn.raw() < states.nr_pfns() && !states.frames_changed(); ++pfn) {
    mfn_t frame;
    const bool same = guest.frame_of(pfn, frame)
                          ? states.has_frame(pfn, frame) && !states.is_absent(pfn)
                          : states.has_no_frame(pfn);
    if (!same) states.found_elsewhere(pfn);
  }
}

}  // namespace

ScanResult scan(ScanContext& context, std::shared_ptr<const GuestView> guest, bool last) {
  ScanResult result(context.states.nr_pfns());
  context.tracking.begin_scan(last);
  if (last) find_changed_frames(context.states, *guest);
  const uint64_t step = context.tracking.window_pfns();
  uint64_t next = 0;
  context.executor.run([&]() -> std::unique_ptr<Job> {
    context.check();
    if (next >= context.states.nr_pfns()) return nullptr;
    const uint64_t pfns = std::min(step, context.states.nr_pfns() - next);
    const pfn_t first(next);
    next += pfns;
    return std::make_unique<ScanJob>(context, result, guest, first, pfns, last);
  });
  return result;
}

}  // namespace ferry
