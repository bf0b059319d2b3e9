// Xen's own view of what a frame is: the type it enforces.
#pragma once

#include <span>
#include <vector>

#include "xen/hypervisor.h"

namespace ferry {

// XEN_DOMCTL_PFINFO_* >> 28: 0 no table, 1-4 L1-L4, 9-12 the same pinned, 13 broken, 15 none.
using PageType = uint8_t;
inline constexpr PageType kTypeNone = 0;
inline constexpr PageType kTypePinned = 8;
inline constexpr PageType kTypeBroken = 13;
inline constexpr PageType kTypeAbsent = 15;
inline constexpr size_t kMaxTypeBatch = 1024;  // Xen refuses more at once with E2BIG

// One type for each frame, at most kMaxTypeBatch of them. Advisory while the guest runs. Throws.
void get_page_types(const Hypervisor& xen, domid_t domid, std::span<const mfn_t> frames,
                    std::vector<PageType>& types);

}  // namespace ferry
