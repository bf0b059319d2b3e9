// The host that a command works on: a real one, through libxl and xl, or a simulated one.
#pragma once

#include <functional>
#include <memory>

#include "custody/save_engine.h"
#include "migrate/ask_host.h"
#include "migrate/receive_guest.h"
#include "xen/hypervisor.h"
#include "xen/lifecycle.h"

namespace ferry::host {

class ThisHost {
 public:
  virtual ~ThisHost() = default;
  virtual const Hypervisor& xen() = 0;
  virtual Lifecycle& life() = 0;
  // Saves its domains; lasts as long as the host.
  virtual const SaveEngine& engine() = 0;
  // What takes the guest of a job, a new one or one that is here already.
  virtual std::unique_ptr<IncomingGuest> incoming(const MigrationJob& job) = 0;
  // What of a guest's devices is here.
  virtual DevicesHere devices() = 0;
};

// Throws Error(no_xen), Error(wrong_xen), …
using OpenHost = std::function<std::unique_ptr<ThisHost>()>;

}  // namespace ferry::host
