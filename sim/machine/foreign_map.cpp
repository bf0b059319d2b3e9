// References of foreign mappings.
#include "sim/machine/foreign_map.h"

#include <cerrno>

#include "sim/machine/page_types.h"
#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

uint64_t entry_for(mfn_t mfn, bool writable) {
  return make_pte(mfn, kPtePresent | kPteUser | kPteAccessed | (writable ? kPteRw | kPteDirty : 0));
}

}  // namespace

int map_frame(Host& host, DomainNumber domain, mfn_t mfn, bool writable) {
  if (domain == 0) return -ESRCH;  // domain 0 cannot name itself as foreign
  if (domain != DOMID_XEN && domain != DOMID_IO && !host.find_domain(domain)) return -ESRCH;
  // An entry has 40 bits of frame number; more are lost on the way, as in a kernel.
  const mfn_t fits(mfn.raw() & (kPteFrameMask >> kPageShift));
  return get_page_from_l1e(host, entry_for(fits, writable), 0, domain);
}

void unmap_frame(Host& host, mfn_t mfn, bool writable) {
  put_page_from_l1e(host, entry_for(mfn, writable));
}

}  // namespace ferry::sim
