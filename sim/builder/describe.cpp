// Describing a guest by what it publishes.
#include "sim/builder/describe.h"

#include <cstring>

#include "error/error.h"
#include "sim/machine/pte.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kPerPage = 512;

class Description {
 public:
  Description(Host& host, DomainNumber domid, const GuestView& view)
      : host_(host), domid_(domid), view_(view) {
    memcpy(&shared_, view.shared_info.data(), sizeof shared_);
  }

  ScratchGuest run() {
    guest_.domid = domid_;
    guest_.p2m_entries = shared_.arch.max_pfn;
    guest_.spec.vcpus = static_cast<unsigned>(view_.vcpus.size());
    guest_.roles.assign(guest_.p2m_entries, Role::absent);
    guest_.levels.assign(guest_.p2m_entries, 0);
    for (const auto& [pfn, page] : view_.pages) {
      if (pfn >= guest_.p2m_entries) fail(Errc::guest, "pfn {:#x} is beyond the p2m", pfn);
      guest_.roles[pfn] = page.type == PageType::none ? Role::data : Role::table;
      guest_.levels[pfn] = static_cast<uint8_t>(level_of(page.type));
    }
    find_leaves();
    find_rings();
    return std::move(guest_);
  }

 private:
  uint64_t own(uint64_t mfn) const {
    if (!host_.valid(mfn_t(mfn)) || host_.frame(mfn_t(mfn)).owner != domid_)
      fail(Errc::guest, "the p2m of domain {} names frame {:#x}, which is not its own", domid_,
           mfn);
    return host_.m2p(mfn_t(mfn));
  }
  uint64_t word(uint64_t mfn, uint64_t i) const {
    own(mfn);
    return host_.entries(mfn_t(mfn))[i];
  }

  void find_leaves() {
    const uint64_t count = (guest_.p2m_entries + kPerPage - 1) / kPerPage;
    for (uint64_t leaf = 0; leaf < count; ++leaf) {
      const uint64_t pfn = own(shared_.arch.p2m_cr3 ? leaf_of_list(leaf) : leaf_of_tree(leaf));
      guest_.roles[pfn] = Role::p2m_leaf;
      guest_.leaves.push_back(pfn);
    }
    if (shared_.arch.p2m_cr3) guest_.kernel_l4 = own(shared_.arch.p2m_cr3 >> kPageShift);
  }
  uint64_t leaf_of_list(uint64_t leaf) const {
    const uint64_t va = shared_.arch.p2m_vaddr + (leaf << kPageShift);
    uint64_t table = shared_.arch.p2m_cr3 >> kPageShift;
    for (unsigned level = 4; level >= 1; --level)
      table = pte_mfn(word(table, slot_of(va, level))).raw();
    return table;
  }
  uint64_t leaf_of_tree(uint64_t leaf) const {
    const uint64_t list = word(shared_.arch.pfn_to_mfn_frame_list_list, leaf / kPerPage);
    return word(list, leaf % kPerPage);
  }

  // A suspended guest names its rings by pfn.
  void find_rings() {
    guest_.start_info = view_.start_info;
    const auto page = view_.pages.find(guest_.start_info);
    if (page == view_.pages.end()) fail(Errc::guest, "vCPU 0 names no start_info page");
    guest_.roles[guest_.start_info] = Role::start_info;
    start_info_t start;
    memcpy(&start, page->second.bytes.data(), sizeof start);
    guest_.spec.pages = start.nr_pages;
    guest_.store_ring = start.store_mfn;
    guest_.console_ring = start.console.domU.mfn;
  }

  Host& host_;
  const DomainNumber domid_;
  const GuestView& view_;
  shared_info_t shared_;
  ScratchGuest guest_;
};

}  // namespace

ScratchGuest describe_guest(Host& host, DomainNumber domid, const GuestView& view) {
  return Description(host, domid, view).run();
}

}  // namespace ferry::sim
