// One pass over a guest's memory: what its batches take, and what they do with a page that does not
// fit together.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "pipeline/progress.h"
#include "save/guest_view.h"
#include "save/page_observer.h"
#include "save/pfn_set.h"

namespace ferry {

// What is done with a page whose type, frame and content contradict each other.
enum class Misfits {
  refused,  // the guest stands still, so it is at fault: the save fails, precisely
  put_off,  // the guest runs and is changing it: a later pass takes it
};

// The pages of a pass that are written. Used by the thread that writes them only.
class PassProgress {
 public:
  explicit PassProgress(uint64_t pages_total = 0, ProgressSink tell = {})
      : pages_total_(pages_total), tell_(std::move(tell)) {}

  void wrote(uint64_t pages, uint64_t image_bytes) {
    pages_done_ += pages;
    if (tell_) tell_({"saving memory", pages_done_, pages_total_, image_bytes});
  }
  uint64_t pages_done() const { return pages_done_; }

 private:
  const uint64_t pages_total_;
  const ProgressSink tell_;
  uint64_t pages_done_ = 0;
};

inline constexpr pfn_t kNoStartInfo{~uint64_t{0}};

// A value: each batch keeps the one that it was begun with.
struct Pass {
  std::shared_ptr<const GuestView> guest;
  pfn_t start_info = kNoStartInfo;  // none while the guest runs, when nobody knows which it is
  uint32_t round = 0;
  Misfits misfits = Misfits::refused;
  PageObserver* observer = nullptr;  // has to be there, as progress has
  PassProgress* progress = nullptr;
};

// Which pages batches take, one batch after the other.
struct PageCursor {
  enum class Kind { all, gone };
  pfn_t next{0};
  const PfnSet* wanted = nullptr;  // all pages if there is none
  Kind kind = Kind::all;           // gone: only those that have no frame
};

}  // namespace ferry
