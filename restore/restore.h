// Restoring a PV guest: from an image into a domain that was just created.
#pragma once

#include <functional>

#include "intake/guest_records.h"
#include "pipeline/progress.h"
#include "restore/guest_state.h"

namespace ferry {

struct RestoreCallbacks {
  // Called once, before any page, when the CPU policy is set: which parts the image lacked.
  std::function<void(bool no_cpuid, bool no_msrs)> static_data_done;
  ProgressSink progress;
  const StopFlag* stop = nullptr;
};

// Takes exactly one image from source into a domain that is paused, empty and has its event
// channels. Registers and page-table roots are set only after the source has come to the end of a
// sound image; when it throws, the domain cannot run and is to be destroyed. Nothing that the
// source says is believed: it may be somebody who has taken the reader over. threads: that put
// pages into the domain's memory. Throws Error: bad_image, no_memory, unsupported, io, aborted, …
RestoreResult restore_domain(const Hypervisor& xen, const RestoreTarget& target,
                             RecordSource& source, const RestoreCallbacks& callbacks,
                             unsigned threads = 1);

}  // namespace ferry
