// Which simulated host the C functions of libxencall, libxenforeignmemory and libxenevtchn speak
// to.
#pragma once

#include <cstdint>

#include "sim/machine/host.h"

namespace ferry::sim {

// Handles that this thread opens while the object lives belong to `host`; bindings nest.
class BindThread {
 public:
  explicit BindThread(Host& host);
  ~BindThread();
  BindThread(const BindThread&) = delete;
  BindThread& operator=(const BindThread&) = delete;

 private:
  Host* before_;
};

// The same for every thread without a binding of its own; null takes it back.
void bind_process(Host* host);

// The host that a handle opened now would belong to; null: there is no Xen here.
Host* bound_host();

// What the program has open through the seam: all zero when nothing leaked.
struct SeamUsage {
  uint64_t handles;       // of all three libraries
  uint64_t buffers;       // hypercall buffers
  uint64_t mapped_pages;  // of foreign mappings and resources

  friend bool operator==(const SeamUsage&, const SeamUsage&) = default;
};
SeamUsage seam_usage();

// How many hypercall buffers a fault plan has refused so far.
uint64_t refused_buffers();

}  // namespace ferry::sim
