// The frame lists that a guest publishes: for each leaf of its p2m the machine frame it is in.
// Freestanding-clean.
//
//   top (mfns of mids)      mid (mfns of leaves)
//   +-----+                 +-----+
//   |  0  | --------------> |  0  | ---> leaf 0
//   |  1  | --+             | ... |
//   | ... |   |             | 511 | ---> leaf 511
//   | 511 |   +-> mid_missing, all of whose entries name the leaf of missing pfns
//   +-----+
//
// All of it are pages of the guest, so after a resume all of these numbers are stale; that is why
// mid_pointers keeps where each mid is, as an address. Every entry of top and mid is at every
// moment a good frame, so the toolstack can read the lists at any time.
#pragma once

#include <stdint.h>

#include "p2m/entry.h"
#include "p2m/frames.h"
#include "p2m/kernel_memory.h"

namespace ferry {

inline constexpr uint64_t kLeavesPerMid = 512;
inline constexpr uint64_t kListedLeaves = 512 * kLeavesPerMid;  // 512 GiB of guest

// P2m: the map whose leaves are listed.
//   uint64_t get(pfn_t)                      the entry of a pfn
//   mfn_t leaf_mfn(uint64_t leaf)            where a leaf (or the placeholder in its place) is
//   bool has_private_leaf(uint64_t first)    may any of kLeavesPerMid leaves not be a placeholder
template <kernel_memory Memory, typename P2m>
class frame_lists {
 public:
  frame_lists(Memory& memory, const P2m& p2m) : memory_(memory), p2m_(p2m) {}

  bool ready() const { return ready_; }

  // missing_va: the leaf of missing pfns. May be called again after it failed for want of memory.
  [[nodiscard]] bool init(uint64_t missing_va) {
    missing_va_ = missing_va;
    uint64_t* const pages[] = {&top_va_, &mid_pointers_va_, &mid_missing_va_};
    for (uint64_t* va : pages) {
      pfn_t pfn;
      if (*va != 0) continue;
      if (!memory_.alloc_page(pfn)) return false;
      *va = memory_.va_of(pfn);
    }
    fill_page(memory_, mid_pointers_va_, mid_missing_va_);
    if (!build(true)) return false;
    ready_ = true;
    return true;
  }

  // Writes every number anew: the frames of all of these pages have changed. Allocates nothing.
  void rebuild() {
    if (ready_) static_cast<void>(build(false));
  }

  mfn_t top_mfn() const { return mfn_of(top_va_); }

  // Does the leaf need a mid list of its own before set_leaf()?
  bool needs_mid(uint64_t leaf) const {
    return ready_ && leaf < kListedLeaves && mid_va(leaf) == mid_missing_va_;
  }

  // Turns page into the mid list for leaf, under the p2m lock. False if there is one already.
  [[nodiscard]] bool add_mid(uint64_t leaf, pfn_t page) {
    if (!needs_mid(leaf)) return false;
    const uint64_t va = memory_.va_of(page);
    fill_page(memory_, va, mfn_of(missing_va_).raw());
    store_barrier();
    memory_.store(mid_pointers_va_ + 8 * (leaf / kLeavesPerMid), va);
    memory_.store(top_va_ + 8 * (leaf / kLeavesPerMid), mfn_of(va).raw());
    return true;
  }

  // Under the p2m lock, after the leaf is filled.
  void set_leaf(uint64_t leaf, mfn_t mfn) {
    if (!ready_ || leaf >= kListedLeaves) return;
    const uint64_t mid = mid_va(leaf);
    if (mid == mid_missing_va_) memory_.bug("leaf linked before its mid list");
    store_barrier();
    memory_.store(mid + 8 * (leaf % kLeavesPerMid), mfn.raw());
  }

  // Everything remembered from one call to the next, member by member: visit(member).
  template <typename Visitor>
  void visit_state(Visitor& visit) {
    visit(ready_), visit(missing_va_), visit(top_va_), visit(mid_pointers_va_);
    visit(mid_missing_va_);
  }

 private:
  uint64_t mid_va(uint64_t leaf) const {
    return memory_.load(mid_pointers_va_ + 8 * (leaf / kLeavesPerMid));
  }

  mfn_t mfn_of(uint64_t va) const {
    const uint64_t entry = p2m_.get(memory_.pfn_of(va));
    if (p2m_kind_of(entry) != p2m_kind::own) memory_.bug("a page of the p2m has no frame");
    return mfn_t(entry);
  }

  // A mid that is still missing when nothing may be allocated has no leaf to list: set_leaf() would
  // not have let it come so far.
  bool build(bool may_allocate) {
    fill_page(memory_, mid_missing_va_, mfn_of(missing_va_).raw());
    for (uint64_t first = 0; first < kListedLeaves; first += kLeavesPerMid) {
      uint64_t mid = mid_va(first);
      if (mid == mid_missing_va_ && may_allocate && p2m_.has_private_leaf(first)) {
        pfn_t pfn;
        if (!memory_.alloc_page(pfn)) return false;
        mid = memory_.va_of(pfn);
        memory_.store(mid_pointers_va_ + 8 * (first / kLeavesPerMid), mid);
      }
      for (uint64_t i = 0; i < kLeavesPerMid && mid != mid_missing_va_; ++i)
        memory_.store(mid + 8 * i, p2m_.leaf_mfn(first + i).raw());
      memory_.store(top_va_ + 8 * (first / kLeavesPerMid), mfn_of(mid).raw());
    }
    return true;
  }

  Memory& memory_;
  const P2m& p2m_;
  bool ready_ = false;
  uint64_t missing_va_ = 0;
  uint64_t top_va_ = 0;
  uint64_t mid_pointers_va_ = 0;
  uint64_t mid_missing_va_ = 0;
};

}  // namespace ferry
