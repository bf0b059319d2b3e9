// Giving frames to a domain and taking them away.
#pragma once

#include <span>
#include <vector>

#include "xen/hypervisor.h"

namespace ferry {

inline constexpr unsigned kLargeExtentOrder = 9;  // what Xen lets any domain's memory come in
inline constexpr uint64_t kLargeExtent = uint64_t{1} << kLargeExtentOrder;

// One frame for each pfn; Xen's machine-to-phys table then says so. Contents are whatever the
// frames held before. Throws Error(no_memory) when fewer could be had than were asked for.
std::vector<mfn_t> populate(const Hypervisor& xen, domid_t domid, std::span<const pfn_t> pfns);

// Frames for [first, first + 512), contiguous and aligned on the host: true, or false and nothing
// was given.
bool populate_large(const Hypervisor& xen, domid_t domid, pfn_t first, mfn_t& first_mfn);

// Takes frames away. Throws.
void depopulate(const Hypervisor& xen, domid_t domid, std::span<const mfn_t> frames);

}  // namespace ferry
