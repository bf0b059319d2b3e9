// The neighbour.
#include "sim/kernel/neighbour.h"

#include "sim/builder/guest_builder.h"

namespace ferry::sim {

Neighbour make_neighbour(Host& host, DomainNumber guest, uint64_t seed) {
  GuestSpec spec;
  spec.seed = seed;
  spec.pages = 128;
  spec.ballooned_percent = 0;
  spec.processes = 1;
  spec.suspended = false;
  const ScratchGuest built = build_guest(host, spec);
  Neighbour neighbour{built.domid, 8, 0};
  const Domain& d = *host.find_domain(built.domid);
  auto* entries = reinterpret_cast<grant_entry_v1_t*>(host.page(mfn_t(d.grants.mfns[0])));
  for (uint64_t pfn = 0; pfn < built.roles.size() && neighbour.references < 8; ++pfn)
    if (built.roles[pfn] == Role::data)
      entries[neighbour.first_reference + neighbour.references++] = {
          GTF_permit_access, guest, static_cast<uint32_t>(built.p2m[pfn])};
  return neighbour;
}

}  // namespace ferry::sim
