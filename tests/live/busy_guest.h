// A scratch guest that runs: it writes its memory, gives pages back and takes others, changes page
// tables, pins and unpins them, moves frames between its pages, and takes pages out of its p2m for
// a while without unmapping them. A seed decides what it does.
#pragma once

#include "sim/builder/guest_builder.h"
#include "sim/machine/random.h"

namespace ferry::sim {

class BusyGuest {
 public:
  BusyGuest(Host& host, GuestSpec spec, uint64_t seed);

  // Some work. Throws ferry::Error when Xen refuses what it may not refuse.
  void step();
  // As a guest does when it is asked to: pins everything, puts its p2m in order, then makes the
  // suspend hypercall.
  void suspend();

  const ScratchGuest& built() const { return guest_; }
  DomainNumber domid() const { return guest_.domid; }
  bool suspended() const { return suspended_; }

  struct Counts {
    uint64_t writes = 0, given_back = 0, taken = 0, swaps = 0, entries = 0, pins = 0, hidden = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};

  long call(unsigned op, uint64_t a1, uint64_t a2 = 0, uint64_t a3 = 0, uint64_t a4 = 0);
  void must(long rc, const char* what) const;

  uint64_t some_page(Role role);
  static uint64_t address_of(uint64_t pfn);
  void write_word(uint64_t va, uint64_t value);
  void write_p2m(uint64_t pfn, uint64_t entry);
  bool map_kernel(uint64_t pfn, uint64_t mfn);  // kNone: unmap
  bool alone(uint64_t mfn);

  void find_user_l1s();

  void dirty_page();
  void give_back();
  void take_page();
  void swap_frames();
  void hide();
  void show_again();
  void change_entry();
  void toggle_pin();
  bool pin(size_t i, bool on);

  Host& host_;
  ScratchGuest guest_;
  Random random_;
  bool balloons_;
  std::vector<uint64_t> data_, absent_, user_l1s_;     // pfns
  std::vector<std::pair<uint64_t, uint64_t>> hidden_;  // pfns and their frames
  std::vector<bool> pinned_;                           // of guest_.pinned
  std::vector<uint64_t> hot_;                          // pages that are written again and again
  Counts counts_;
  bool suspended_ = false;
};

}  // namespace ferry::sim
