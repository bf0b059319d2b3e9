// One look at the whole guest: which pages are not what the image says of them.
#pragma once

#include "pipeline/pipeline.h"
#include "save/live/tracking.h"
#include "save/pfn_set.h"

namespace ferry {

struct ScanResult {
  explicit ScanResult(uint64_t nr_pfns) : dirty(nr_pfns), gone(nr_pfns) {}
  PfnSet dirty;  // have a frame and must be sent
  PfnSet gone;   // have no frame, and the image does not say so (in the last scan: all of them)
  uint64_t owed = 0;     // of dirty: put off before, whether they changed or not
  uint64_t changed = 0;  // of dirty: the others
};

struct ScanContext {
  const Hypervisor& xen;
  const domid_t domid;
  Executor& executor;
  PageStates& states;
  Tracking& tracking;
  std::function<void()> check;  // called now and then; throws to stop
};

ScanResult scan(ScanContext& context, std::shared_ptr<const GuestView> guest, bool last);

}  // namespace ferry
