// The engine in this process instead of a child: for simulated hosts, which live in our memory, and
// with an executor of the caller's, so that every run can be had again.
#pragma once

#include "custody/save_engine.h"
#include "pipeline/pipeline.h"
#include "save/save.h"

namespace ferry::host {

// A SaveEngine over these two, which must outlive it. The level is base's unless the settings give
// one; the other settings mean nothing to it.
SaveEngine engine_here(const Hypervisor& xen, Executor& executor, const SaveOptions& base = {});

// The same for a program: SIGINT, SIGTERM and SIGHUP stop it as they stop one in a child, and are
// without effect afterwards.
SaveEngine stoppable_engine_here(const Hypervisor& xen, Executor& executor);

}  // namespace ferry::host
