// Xen's own log of the pages that a guest writes.
#pragma once

#include <memory>
#include <span>

#include "xen/hypervisor.h"

namespace ferry {

// On while the object lives, and off on every way out of it.
class LogDirty {
 public:
  // Throws Error(unsupported) when the hypervisor has no log (it is built without shadow paging) or
  // the guest has a device passed through, Error(no_memory) when Xen has no memory for it.
  LogDirty(const Hypervisor& xen, domid_t domid, uint64_t nr_pfns);
  ~LogDirty();
  LogDirty(const LogDirty&) = delete;
  LogDirty& operator=(const LogDirty&) = delete;

  // Reads the log and starts a new one, for the whole guest at once: Xen clears whole pages of it,
  // so reading it piece by piece would lose marks. A bit a pfn, (nr_pfns + 63) / 64 words, valid
  // until the next call. The guest is paused meanwhile. Throws.
  std::span<const uint64_t> clean(bool last);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// For a log whose owner was killed: off, if it was on, and if Xen can.
void stop_log_dirty(const Hypervisor& xen, domid_t domid) noexcept;

}  // namespace ferry
