// A domain as it is now, for who reads it page by page (borrow/): it is never stopped, and nothing
// of it is kept.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "borrow/questions.h"
#include "ferry/v1/image.pb.h"
#include "p2m/frames.h"
#include "proto/pages.h"
#include "save/guest_view.h"
#include "xen/domain.h"
#include "xen/page_types.h"

namespace ferry::lend {

// Used by one thread. All methods throw Error: no_domain once the domain is being destroyed,
// guest, unsupported, internal.
class LentGuest {
 public:
  // Any PV guest of 64 bits but domain 0, one that has crashed too. config: as an image has it.
  LentGuest(const Hypervisor& xen, domid_t domid, std::optional<v1::Config> config);

  // Looks at it anew: which pages it has and of which kind, and its vCPUs. To be called first.
  void look();

  // Its records, whole, as an image has them before and after the pages: Head first.
  const std::vector<Bytes>& records() const { return records_; }

  // Of 65536 pfns from part * 65536: those that it said something of, ascending.
  std::vector<PageRun> kinds(uint64_t part) const;

  // A Pages record with the pages of a batch (borrow::kPfnsPerBatch) as they are now, of the kinds
  // that they had when it was looked at; no bytes if there are none. Valid until the next call.
  // What goes into it is in pfn form, if either the kind or Xen says that it names frames: an entry
  // that names none of the guest's is 0, as a page whose frame is gone is all zeros, and both are
  // counted.
  std::span<const std::byte> pages(uint64_t batch);

  borrow::Seen seen() const;

  // Unmaps what it has mapped of the guest, until that is needed again: a domain that somebody
  // destroys meanwhile can end, and its name and number are free.
  void let_go() { view_.reset(); }

 private:
  void find_kinds();
  void make_records();
  void find_frames(uint64_t batch);
  DomainInfo same_domain() const;
  void check_alive() const;
  void put_page(pfn_t pfn, const std::byte* page, PageType type, std::byte* place);
  void start_info_to_pfn_form(std::byte* place);
  void to_pfn_form(v1::PageKind kind, const std::byte* page, std::byte* place);

  const Hypervisor& xen_;
  const domid_t domid_;
  const std::optional<v1::Config> config_;
  const std::shared_ptr<const MachineToPhys> m2p_;
  DomainInfo domain_;                      // when it was looked at
  std::shared_ptr<const GuestView> view_;  // null: let go
  std::vector<uint8_t> kinds_;             // of each pfn, a v1::PageKind
  std::vector<Bytes> records_;
  std::optional<pfn_t> start_info_;  // which page it is: known of a suspended guest only
  borrow::Seen seen_;

  PagesEncoder encoder_{0};
  RecordBuffer record_;
  std::vector<PageRun> runs_;
  std::vector<pfn_t> pfns_;    // of a batch, with data: in order
  std::vector<mfn_t> frames_;  // of those that have one still
  std::vector<size_t> at_;     // which of frames_ each of pfns_ has
  std::vector<PageType> types_;
  std::vector<int> errors_;
};

}  // namespace ferry::lend
