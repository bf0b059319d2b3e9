// Restoring a guest on a simulated host: what `xl restore` does around the engine.
#pragma once

#include <string>

#include "io/byte_stream.h"
#include "pipeline/pipeline.h"
#include "sim_toolstack/lifecycle.h"

namespace ferry::sim {

struct RestoredGuest {
  domid_t domid{};
  mfn_t store_mfn, console_mfn;
  uint64_t guest_bytes = 0;
};

// Creates a domain from config (as Lifecycle::config_json() writes it), restores the bare image
// into it and lets it run unless paused. Throws Error; then the domain is gone again, or, with
// Error(needs_operator), cannot run and is named with the command that removes it.
RestoredGuest restore_guest(const Hypervisor& xen, SimLifecycle& life, const std::string& config,
                            ByteSource& image, Executor& executor, bool paused);

}  // namespace ferry::sim
