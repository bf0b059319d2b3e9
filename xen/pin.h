// Pinning page tables: asking Xen to validate a tree of tables and to keep it valid.
#pragma once

#include <optional>
#include <span>

#include "xen/hypervisor.h"

namespace ferry {

struct Pin {
  mfn_t mfn;
  int level = 0;  // 1 to 4
};

struct RefusedPin {
  size_t index = 0;  // in the batch
  int os_errno = 0;
};

inline constexpr size_t kMaxPinBatch = 1024;

// Pins all, or says which one Xen refused first; those before it are pinned then.
[[nodiscard]] std::optional<RefusedPin> pin_tables(const Hypervisor& xen, domid_t domid,
                                                   std::span<const Pin> pins);

}  // namespace ferry
