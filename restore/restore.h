// Restoring a PV guest: from an image into a domain that was just created.
#pragma once

#include <functional>

#include "io/byte_stream.h"
#include "pipeline/pipeline.h"
#include "pipeline/progress.h"
#include "restore/guest_state.h"

namespace ferry {

struct RestoreCallbacks {
  // Called once, before any page, when the CPU policy is set: which parts the image lacked.
  std::function<void(bool no_cpuid, bool no_msrs)> static_data_done;
  ProgressSink progress;
  const StopFlag* stop = nullptr;
};

// Reads exactly one image from source, not a byte more, into a domain that is paused, empty and
// has its event channels. Registers and page-table roots are set only after the whole image was
// read and every digest was right; when it throws, the domain cannot run and is to be destroyed.
// Throws Error: bad_image, no_memory, unsupported, io, aborted, …
RestoreResult restore_domain(const Hypervisor& xen, const RestoreTarget& target, ByteSource& source,
                             Executor& executor, const RestoreCallbacks& callbacks);

}  // namespace ferry
