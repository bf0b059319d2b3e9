// A guest's memory as the toolstack can know it: shared_info, the published p2m, and Xen's
// machine-to-phys table to check both against.
#pragma once

#include <memory>
#include <vector>

#include "p2m/frames.h"
#include "p2m/published.h"
#include "xen/domain.h"
#include "xen/foreign_mapping.h"
#include "xen/machine_to_phys.h"

namespace ferry {

class GuestView {
 public:
  // Maps what it needs, read-only. The p2m is the guest's own memory: a running guest changes it.
  // Throws Error(guest), naming level, index and entry, when the guest publishes no sound p2m, or
  // one that describes more pfns than a guest with its memory can have.
  // m2p: shared by the views of one save.
  GuestView(const Hypervisor& xen, const DomainInfo& domain,
            std::shared_ptr<const MachineToPhys> m2p);
  GuestView(const Hypervisor& xen, const DomainInfo& domain)
      : GuestView(xen, domain, std::make_shared<const MachineToPhys>(xen)) {}

  const published_p2m& published() const { return published_; }
  uint64_t nr_pfns() const { return nr_pfns_; }

  // For an image that is begun while the guest runs: also the pfns at the end of the map that have
  // no memory yet, as far as there are not absurdly many of them.
  uint64_t nr_pfns_with_room() const;

  // False once a running guest has moved its p2m, made it longer or shorter: then take a new view.
  // A tree can change without a sign of it.
  bool still_published() const;

  // The raw p2m entry (p2m/entry.h); pfn below nr_pfns().
  uint64_t p2m_entry(pfn_t pfn) const {
    return __atomic_load_n(&p2m_.as<const uint64_t>()[pfn.raw()], __ATOMIC_RELAXED);
  }
  // True, and the frame, if the p2m gives this pfn a frame that can exist on this host. Any pfn may
  // be asked.
  bool frame_of(pfn_t pfn, mfn_t& mfn) const;

  // True, and the pfn, only if the frame is the guest's own: M2P and p2m agree on it. This is the
  // policy of canonicalize/table.h.
  bool pfn_of(mfn_t mfn, pfn_t& pfn) const;

  // The pfn of each p2m leaf, in order of what they describe; several may be the same page.
  const std::vector<pfn_t>& leaf_pfns() const { return leaf_pfns_; }
  bool is_leaf(pfn_t pfn) const { return pfn.raw() < nr_pfns_ && leaf_set_[pfn.raw()]; }

  // Linear: the L4 behind p2m_cr3. Tree: the frame list list.
  pfn_t root_pfn() const { return root_pfn_; }
  // Pages of frame lists, ascending: their contents name machine frames.
  const std::vector<pfn_t>& list_pfns() const { return list_pfns_; }

  const std::byte* shared_info() const { return shared_info_.page(0); }

 private:
  p2m_limits walk_limits() const;
  void check_leaves() const;
  void map_leaves(const Hypervisor& xen, domid_t domid);
  void find_lists(const Hypervisor& xen, domid_t domid);
  pfn_t own_pfn(mfn_t mfn, std::string_view what) const;

  std::shared_ptr<const MachineToPhys> m2p_;
  ForeignMapping shared_info_;
  published_p2m published_;
  uint64_t most_pfns_;
  uint64_t nr_pfns_ = 0;
  std::vector<mfn_t> leaf_mfns_;
  std::vector<mfn_t> table_mfns_;
  ForeignMapping p2m_;
  std::vector<pfn_t> leaf_pfns_;
  std::vector<bool> leaf_set_;
  pfn_t root_pfn_;
  std::vector<pfn_t> list_pfns_;
};

// Of a guest that runs, and may be in the midst of moving its p2m: looks again, up to looks times
// over about a second, while there is no sound one. Throws Error(guest) if there never was.
std::shared_ptr<const GuestView> view_running_guest(const Hypervisor& xen, const DomainInfo& domain,
                                                    std::shared_ptr<const MachineToPhys> m2p,
                                                    unsigned looks = 500);

}  // namespace ferry
