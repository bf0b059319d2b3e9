// Giving frames to a domain and taking them away.
#include "xen/memory.h"

#include <algorithm>

#include "xen/xen_headers.h"

namespace ferry {

std::vector<mfn_t> populate(const Hypervisor& xen, domid_t domid, std::span<const pfn_t> pfns) {
  if (pfns.empty()) return {};
  std::vector<xen_pfn_t> extents;
  extents.reserve(pfns.size());
  for (pfn_t pfn : pfns) extents.push_back(pfn.raw());
  // In: pfns. Out: the frames given, in their place.
  int given =
      xc_domain_populate_physmap(xen.xch(), raw(domid), extents.size(), 0, 0, extents.data());
  if (given < 0) fail_xen("give memory to the guest");
  if (static_cast<size_t>(given) != extents.size())
    fail(Errc::no_memory,
         "Xen gave the guest {} of {} pages: the host has no more memory, or the domain's memory "
         "limit is too low for its image",
         given, extents.size());
  std::vector<mfn_t> frames;
  frames.reserve(extents.size());
  for (xen_pfn_t mfn : extents) frames.push_back(mfn_t(mfn));
  return frames;
}

bool populate_large(const Hypervisor& xen, domid_t domid, pfn_t first, mfn_t& first_mfn) {
  xen_pfn_t extent = first.raw();
  if (xc_domain_populate_physmap(xen.xch(), raw(domid), 1, kLargeExtentOrder, 0, &extent) != 1)
    return false;
  first_mfn = mfn_t(extent);
  return true;
}

void depopulate(const Hypervisor& xen, domid_t domid, std::span<const mfn_t> frames) {
  if (frames.empty()) return;
  std::vector<xen_pfn_t> extents;
  extents.reserve(frames.size());
  for (mfn_t mfn : frames) extents.push_back(mfn.raw());
  if (xc_domain_decrease_reservation_exact(xen.xch(), raw(domid), extents.size(), 0,
                                           extents.data()) != 0)
    fail_xen("take back memory of the guest");
}

}  // namespace ferry
