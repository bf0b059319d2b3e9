// A domain that an image is restored into and that never runs, and what Xen says about why it
// refused a page table of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "restore/guest_state.h"
#include "xen/hypervisor.h"

namespace ferry::test {

// An empty domain; destroyed with the object. Throws Error.
class ScratchGuest {
 public:
  ScratchGuest(const Hypervisor& xen, uint64_t pages, unsigned vcpus);
  ~ScratchGuest();
  ScratchGuest(const ScratchGuest&) = delete;
  ScratchGuest& operator=(const ScratchGuest&) = delete;

  const RestoreTarget& target() const { return target_; }
  domid_t domid() const { return target_.domid; }

 private:
  const Hypervisor& xen_;
  RestoreTarget target_;
};

// Asks Xen again, after it refused a page table: which entry is it?
//
// Xen goes through a tree of tables entry by entry, depth first, up to the one that it does not
// take. So a table of which all entries from some slot on are gone is refused like before only if
// that one is among the rest: halving finds it. If the table below can be emptied and Xen takes the
// tree, the trouble lies deeper; if not, it is this entry. The guest is ruined by it.
class Witness {
 public:
  // The guest was restored up to the refusal; it has nr_pfns.
  Witness(const Hypervisor& xen, domid_t domid, uint64_t nr_pfns);

  struct Entry {
    unsigned level = 0;
    uint64_t pfn = 0;  // of the table
    unsigned slot = 0;
  };
  // From this table down to the entry that Xen does not take; empty if it would not take the page
  // even without entries, because it is in use as something else. Only once for each guest.
  std::vector<Entry> way_to_refused(unsigned level, uint64_t pfn);

 private:
  bool takes_root();
  // Only the entries below `end` stay. False if the page cannot be written: it is in use as a
  // table.
  bool shorten(uint64_t pfn, const std::vector<uint64_t>& entries, unsigned end);
  std::vector<uint64_t> read(uint64_t pfn) const;
  bool on_the_way(uint64_t pfn) const;
  std::optional<uint64_t> pfn_of(uint64_t mfn) const;
  void descend(unsigned level, uint64_t pfn);

  const Hypervisor& xen_;
  domid_t domid_;
  std::vector<uint64_t> frames_;  // mfn, by pfn
  unsigned root_level_ = 0;
  uint64_t root_ = 0;
  std::vector<Entry> way_;
};

}  // namespace ferry::test
