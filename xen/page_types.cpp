// Xen's own view of what a frame is: the type it enforces.
#include "xen/page_types.h"

#include "xen/xen_headers.h"

namespace ferry {

void get_page_types(const Hypervisor& xen, domid_t domid, std::span<const mfn_t> frames,
                    std::vector<PageType>& types) {
  types.clear();
  if (frames.empty()) return;
  std::vector<xen_pfn_t> words;
  words.reserve(frames.size());
  for (mfn_t mfn : frames) words.push_back(mfn.raw());
  if (xc_get_pfn_type_batch(xen.xch(), raw(domid), static_cast<unsigned>(words.size()),
                            words.data()) != 0)
    fail_xen("tell the types of the guest's pages");
  // The upper half of each word holds no type: Xen answers in bits 31 to 28.
  for (xen_pfn_t word : words)
    types.push_back(static_cast<PageType>((word & XEN_DOMCTL_PFINFO_LTAB_MASK) >>
                                          XEN_DOMCTL_PFINFO_LTAB_SHIFT));
}

}  // namespace ferry
