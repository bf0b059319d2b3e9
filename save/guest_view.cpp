// A guest's memory as the toolstack can know it: shared_info, the published p2m, and Xen's
// machine-to-phys table to check both against.
#include "save/guest_view.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "canonicalize/pte.h"
#include "proto/pages.h"

namespace ferry {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(2);

// Reads single frames of the guest for the walk of its p2m.
class FrameReader {
 public:
  FrameReader(const Hypervisor& xen, domid_t domid) : xen_(xen), domid_(domid) {}

  // The page stays mapped as long as the result lives; null if Xen refuses.
  class Page {
   public:
    explicit Page(ForeignMapping mapping) : mapping_(std::move(mapping)) {}
    explicit operator bool() const { return mapping_.mapped(); }
    const uint64_t& operator[](size_t i) const { return mapping_.as<const uint64_t>()[i]; }

   private:
    ForeignMapping mapping_;
  };

  Page frame(mfn_t mfn) const {
    std::vector<int> errors;
    ForeignMapping mapping(xen_, domid_, PROT_READ, {&mfn, 1}, errors);
    if (errors[0] != 0) mapping.unmap();
    return Page(std::move(mapping));
  }

 private:
  const Hypervisor& xen_;
  domid_t domid_;
};

struct Collector {
  std::vector<mfn_t>& leaves;
  std::vector<mfn_t>& tables;
  void leaf(uint64_t, mfn_t mfn) { leaves.push_back(mfn); }
  void table(unsigned, mfn_t mfn) { tables.push_back(mfn); }
};

// How many pfns a guest can describe that has so much memory, and may have so much. Some have been
// made small since they booted, down to a sixtieth, and keep the map of what they were; and the map
// has holes: where a PC has none of its memory, and where PCI devices are.
constexpr uint64_t kPfnsPerPage = 64;
constexpr uint64_t kPfnsInHoles = uint64_t{1} << 22;  // 16 GiB
// All but holes has a page of the p2m to itself, holes share theirs.
constexpr uint64_t kLeavesPerPage = 4;

uint64_t most_pfns(const DomainInfo& domain, uint64_t nr_mfns) {
  const uint64_t pages = std::min(std::max(domain.nr_pages, domain.max_pages), nr_mfns);
  return std::min(kMaxPfns, kPfnsPerPage * pages + kPfnsInHoles);
}

[[noreturn]] void fail_walk(const p2m_read_result& r) {
  if (r.level == 0)
    fail(Errc::guest, "the guest's p2m cannot be read: {} (value {:#x} in shared_info)",
         text_of(r.fault), r.entry);
  fail(
      Errc::guest,
      "the guest's p2m cannot be read: {} (level {}, index {}, entry {:#x}, on the way to leaf {})",
      text_of(r.fault), r.level, r.index, r.entry, r.leaf);
}

}  // namespace

GuestView::GuestView(const Hypervisor& xen, const DomainInfo& domain,
                     std::shared_ptr<const MachineToPhys> m2p)
    : m2p_(std::move(m2p)),
      shared_info_(xen, domain.domid, PROT_READ, {&domain.shared_info, 1}, "shared_info"),
      published_(published_p2m_of(shared_info_.page(0))),
      most_pfns_(most_pfns(domain, m2p_->nr_mfns())) {
  const p2m_limits limits = walk_limits();
  FrameReader reader(xen, domain.domid);
  Collector collector{leaf_mfns_, table_mfns_};
  p2m_read_result walked = read_published_p2m(published_, limits, reader, collector);
  if (!walked.ok()) fail_walk(walked);
  nr_pfns_ = walked.nr_pfns;
  check_leaves();
  map_leaves(xen, domain.domid);
  find_lists(xen, domain.domid);
}

p2m_limits GuestView::walk_limits() const {
  p2m_limits limits;
  limits.nr_mfns = m2p_->nr_mfns();
  limits.max_leaves = (most_pfns_ + kP2mPerPage - 1) / kP2mPerPage;
  return limits;
}

// A few pages, named again and again, could describe any number of pfns.
void GuestView::check_leaves() const {
  std::vector<mfn_t> pages = leaf_mfns_;
  std::sort(pages.begin(), pages.end());
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  if (leaf_mfns_.size() > kLeavesPerPage * pages.size() + kPfnsInHoles / kP2mPerPage)
    fail(Errc::guest,
         "the guest's p2m cannot be read: it describes {} pfns, but has only {} pages of its own",
         nr_pfns_, pages.size());
}

void GuestView::map_leaves(const Hypervisor& xen, domid_t domid) {
  p2m_ = ForeignMapping(xen, domid, PROT_READ, leaf_mfns_, "the guest's p2m");
  leaf_set_.assign(nr_pfns_, false);
  leaf_pfns_.reserve(leaf_mfns_.size());
  for (mfn_t mfn : leaf_mfns_) {
    pfn_t pfn = own_pfn(mfn, "a leaf of its p2m");
    leaf_pfns_.push_back(pfn);
    leaf_set_[pfn.raw()] = true;
  }
}

// In tree form the walk's tables are the frame lists. A guest with a linear list may keep the tree
// beside it; it is then followed as far as it makes sense, since nobody will read it.
void GuestView::find_lists(const Hypervisor& xen, domid_t domid) {
  std::vector<mfn_t> lists;
  if (published_.linear()) {
    root_pfn_ = own_pfn(mfn_of(maddr_t{published_.p2m_cr3}), "the root of its linear p2m");
    published_p2m tree = published_;
    tree.p2m_cr3 = 0;
    const p2m_limits limits = walk_limits();
    FrameReader reader(xen, domid);
    std::vector<mfn_t> leaves;
    Collector collector{leaves, lists};
    if (!read_published_p2m(tree, limits, reader, collector).ok()) lists.clear();
  } else {
    root_pfn_ = own_pfn(mfn_t(published_.frame_list_list), "the frame list list of its p2m");
    lists = table_mfns_;
  }
  for (mfn_t mfn : lists) {
    pfn_t pfn;
    if (pfn_of(mfn, pfn)) list_pfns_.push_back(pfn);
  }
  std::sort(list_pfns_.begin(), list_pfns_.end());
  list_pfns_.erase(std::unique(list_pfns_.begin(), list_pfns_.end()), list_pfns_.end());
}

pfn_t GuestView::own_pfn(mfn_t mfn, std::string_view what) const {
  pfn_t pfn;
  if (!pfn_of(mfn, pfn))
    fail(Errc::guest, "the guest does not own machine frame {:#x}, which it names as {}", mfn.raw(),
         what);
  return pfn;
}

// A guest that may grow says so in max_pfn; what has no memory at the map's end was left out of
// nr_pfns_ all the same.
uint64_t GuestView::nr_pfns_with_room() const {
  constexpr uint64_t kAlways = uint64_t{1} << 20;  // 4 GiB
  constexpr uint64_t kTimes = 4;
  const bool sensible = published_.max_pfn <= std::min(kTimes * nr_pfns_ + kAlways, most_pfns_);
  return sensible ? std::max(published_.max_pfn, nr_pfns_) : nr_pfns_;
}

bool GuestView::still_published() const {
  const published_p2m now = published_p2m_of(shared_info_.page(0));
  return now.max_pfn == published_.max_pfn && now.frame_list_list == published_.frame_list_list &&
         now.p2m_cr3 == published_.p2m_cr3 && now.p2m_vaddr == published_.p2m_vaddr &&
         now.p2m_generation == published_.p2m_generation;
}

bool GuestView::frame_of(pfn_t pfn, mfn_t& mfn) const {
  if (pfn.raw() >= nr_pfns_) return false;
  uint64_t entry = p2m_entry(pfn);
  if (p2m_kind_of(entry) != p2m_kind::own || entry >= m2p_->nr_mfns()) return false;
  mfn = mfn_t(entry);
  return true;
}

bool GuestView::pfn_of(mfn_t mfn, pfn_t& pfn) const {
  if (mfn.raw() >= m2p_->nr_mfns()) return false;
  uint64_t candidate = m2p_->entry(mfn);
  if (candidate >= nr_pfns_ || p2m_entry(pfn_t(candidate)) != mfn.raw()) return false;
  pfn = pfn_t(candidate);
  return true;
}

std::shared_ptr<const GuestView> view_running_guest(const Hypervisor& xen, const DomainInfo& domain,
                                                    std::shared_ptr<const MachineToPhys> m2p,
                                                    unsigned looks) {
  for (;; --looks) {
    try {
      auto view = std::make_shared<const GuestView>(xen, domain, m2p);
      if (looks <= 1 || view->still_published()) return view;
    } catch (const Error& e) {
      if (e.code() != Errc::guest || looks <= 1) throw;
    }
    std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace ferry
