// The guest's frames, mapped read-only from one scan to the next: mapping them anew would cost more
// than hashing them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "save/guest_view.h"

namespace ferry {

class FrameWindows {
 public:
  FrameWindows(const Hypervisor& xen, domid_t domid, uint64_t nr_pfns);

  uint64_t window_pfns() const { return window_pfns_; }

  // The frames of a window, all ones for none. Page i of the mapping is frame i; it cannot be
  // touched if bad[i]. Kept until the frames are others, or release() is called.
  struct Window {
    ForeignMapping mapping;
    std::vector<bool> bad;
  };
  std::shared_ptr<const Window> map(pfn_t first, std::span<const mfn_t> frames);
  void release(pfn_t first);

  // Lets go of every window that has a frame which the p2m does not give that pfn any more.
  void release_gone(const GuestView& guest);

 private:
  struct Slot {
    std::shared_ptr<const Window> window;
    uint64_t fingerprint = 0;  // of its frames
  };
  Slot& slot_of(pfn_t first) { return slots_[first.raw() / window_pfns_]; }

  const Hypervisor& xen_;
  const domid_t domid_;
  const uint64_t nr_pfns_;
  uint64_t window_pfns_;
  std::vector<Slot> slots_;
};

// The frame of each pfn from first on, all ones for none.
void read_frames(const GuestView& guest, pfn_t first, std::span<mfn_t> frames);

}  // namespace ferry
