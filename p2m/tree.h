// The guest's p2m as a tree of three levels. Freestanding-clean.
//
//   top [512]  ->  mid [512]  ->  leaf [512 entries]      2^27 pfns, 512 GiB
//
// top and mid hold addresses. Three placeholders stand for what there is no memory for, and are
// never written through: a mid and a leaf for missing pfns, and a leaf for pfns that map one to
// one. Both leaves hold ~0 only, because that is all the toolstack understands; which of the two a
// leaf is, its address says.
#pragma once

#include <stdint.h>

#include "p2m/entry.h"
#include "p2m/frame_lists.h"
#include "p2m/frames.h"
#include "p2m/kernel_memory.h"
#include "p2m/published.h"
#include "p2m/spare_page.h"

namespace ferry {

inline constexpr uint64_t kTreePfns = kListedLeaves * kP2mPerPage;

template <kernel_memory Memory>
class p2m_tree {
 public:
  explicit p2m_tree(Memory& memory) : memory_(memory), lists_(memory, *this) {}
  p2m_tree(const p2m_tree&) = delete;
  p2m_tree& operator=(const p2m_tree&) = delete;

  // Takes over the list the domain builder made: its pages become leaves. mfn_list_va: the list in
  // the direct map. False if memory ran out: then the guest cannot go on.
  [[nodiscard]] bool init(uint64_t mfn_list_va, uint64_t nr_pages) {
    if (nr_pages == 0 || nr_pages > kTreePfns || mfn_list_va % kPageSize != 0) return false;
    uint64_t* const pages[] = {&top_va_, &mid_missing_va_, &missing_va_, &identity_va_};
    for (uint64_t* va : pages)
      if (!alloc_filled(*va)) return false;
    fill_page(memory_, missing_va_, kInvalidP2mEntry);
    fill_page(memory_, identity_va_, kInvalidP2mEntry);
    fill_page(memory_, mid_missing_va_, missing_va_);
    fill_page(memory_, top_va_, mid_missing_va_);
    // What lies behind the last entry is anything at all.
    for (uint64_t pfn = nr_pages; pfn % kP2mPerPage != 0; ++pfn)
      memory_.store(mfn_list_va + 8 * pfn, kInvalidP2mEntry);
    for (uint64_t leaf = 0; leaf * kP2mPerPage < nr_pages; ++leaf) {
      if (leaf % kLeavesPerMid == 0) {
        uint64_t mid = 0;
        if (!alloc_filled(mid)) return false;
        fill_page(memory_, mid, missing_va_);
        memory_.store(top_slot(leaf), mid);
      }
      memory_.store(mid_slot(leaf), mfn_list_va + leaf * kPageSize);
    }
    // Whole leaves: an entry in the last one can be set later without anybody noticing.
    max_pfn_ = (nr_pages + kP2mPerPage - 1) / kP2mPerPage * kP2mPerPage;
    return true;
  }

  // The entry of a pfn, markers included; ~0 beyond the end.
  uint64_t get(pfn_t pfn) const {
    if (pfn.raw() >= kTreePfns) return kInvalidP2mEntry;
    const uint64_t leaf = leaf_va(leaf_of(pfn));
    return leaf == identity_va_ ? identity_frame(pfn) : memory_.load(leaf + offset_of(pfn));
  }

  // Stores an entry without allocating; false exactly when a leaf must be allocated first.
  [[nodiscard]] bool try_set(pfn_t pfn, uint64_t entry) {
    if (pfn.raw() >= kTreePfns) return entry == kInvalidP2mEntry;
    const uint64_t leaf = leaf_va(leaf_of(pfn));
    if (leaf == missing_va_) return entry == kInvalidP2mEntry;
    if (leaf == identity_va_) return entry == identity_frame(pfn);
    memory_.store(leaf + offset_of(pfn), entry);
    return true;
  }

  // Stores an entry; false if it took memory and there is none, or beyond the end.
  [[nodiscard]] bool set(pfn_t pfn, uint64_t entry) {
    if (try_set(pfn, entry)) return true;
    return pfn.raw() < kTreePfns && alloc_leaf(pfn) && try_set(pfn, entry);
  }

  // Marks pfns that map one to one, first included, end not. Whole leaves without memory of their
  // own take none. False if memory ran out; some are marked then.
  [[nodiscard]] bool set_identity(pfn_t first, pfn_t end) {
    for (pfn_t pfn = first; pfn < end;) {
      const bool whole = pfn.raw() % kP2mPerPage == 0 && end - pfn >= kP2mPerPage;
      if (whole && pfn.raw() < kTreePfns && leaf_va(leaf_of(pfn)) == missing_va_) {
        if (!place_identity_leaf(pfn)) return false;
        pfn = pfn + kP2mPerPage;
      } else {
        if (!set(pfn, identity_frame(pfn))) return false;
        ++pfn;
      }
    }
    return true;
  }

  // Builds the frame lists. After the allocator is up, before publish().
  [[nodiscard]] bool build_lists() { return lists_.ready() || lists_.init(missing_va_); }
  // After a resume, when every frame is another one and before publish(). Allocates nothing.
  void rebuild_lists() { lists_.rebuild(); }

  // Says in shared_info, mapped at the address, where the lists are. A value of the other form may
  // have come over from another host.
  void publish(uint64_t shared_info_va) {
    if (!lists_.ready()) memory_.bug("frame lists published before they were built");
    shared_info_va_ = shared_info_va;
    memory_.store(shared_info_va + kSharedInfoP2mCr3, 0);
    memory_.store(shared_info_va + kSharedInfoMaxPfn, max_pfn_);
    store_barrier();
    memory_.store(shared_info_va + kSharedInfoFrameListList, lists_.top_mfn().raw());
  }
  // shared_info is about to go away.
  void unpublish() { shared_info_va_ = 0; }

  uint64_t max_pfn() const { return max_pfn_; }  // a count; no entry at or above it was ever set

  // For the frame lists.
  mfn_t leaf_mfn(uint64_t leaf) const {
    const uint64_t entry = get(memory_.pfn_of(leaf_va(leaf)));
    if (p2m_kind_of(entry) != p2m_kind::own) memory_.bug("a leaf of the p2m has no frame");
    return mfn_t(entry);
  }
  bool has_private_leaf(uint64_t first) const {
    return memory_.load(top_slot(first)) != mid_missing_va_;
  }

  // Everything remembered from one call to the next, member by member: visit(member).
  template <typename Visitor>
  void visit_state(Visitor& visit) {
    lists_.visit_state(visit);
    visit(top_va_), visit(mid_missing_va_), visit(missing_va_), visit(identity_va_);
    visit(shared_info_va_), visit(max_pfn_);
  }

 private:
  static constexpr uint64_t leaf_of(pfn_t pfn) { return pfn.raw() / kP2mPerPage; }
  static constexpr uint64_t offset_of(pfn_t pfn) { return pfn.raw() % kP2mPerPage * 8; }
  uint64_t top_slot(uint64_t leaf) const { return top_va_ + leaf / kLeavesPerMid * 8; }
  uint64_t mid_slot(uint64_t leaf) const {
    return memory_.load(top_slot(leaf)) + leaf % kLeavesPerMid * 8;
  }
  uint64_t leaf_va(uint64_t leaf) const { return memory_.load(mid_slot(leaf)); }

  bool alloc_filled(uint64_t& va) {
    pfn_t pfn;
    if (!memory_.alloc_page(pfn)) return false;
    va = memory_.va_of(pfn);
    return true;
  }

  // Before and under the lock: what is above a leaf becomes something that may be written.
  bool reserve_above(uint64_t leaf, spare_page<Memory>& mid, spare_page<Memory>& list) {
    return mid.reserve(memory_.load(top_slot(leaf)) == mid_missing_va_) &&
           list.reserve(lists_.needs_mid(leaf));
  }
  void ensure_above(uint64_t leaf, spare_page<Memory>& mid, spare_page<Memory>& list) {
    if (mid.have() && memory_.load(top_slot(leaf)) == mid_missing_va_) {
      const uint64_t va = memory_.va_of(mid.pfn());
      fill_page(memory_, va, missing_va_);
      store_barrier();
      memory_.store(top_slot(leaf), va);
      mid.taken();
    }
    if (list.have() && lists_.add_mid(leaf, list.pfn())) list.taken();
  }

  bool alloc_leaf(pfn_t pfn) {
    const uint64_t leaf = leaf_of(pfn);
    spare_page<Memory> mid(memory_), list(memory_), page(memory_);
    if (!reserve_above(leaf, mid, list) || !page.reserve()) return false;
    memory_.lock_p2m();
    ensure_above(leaf, mid, list);
    const uint64_t old = leaf_va(leaf);
    if (old == missing_va_ || old == identity_va_) {
      link_leaf(leaf, memory_.va_of(page.pfn()), old == identity_va_);
      page.taken();
    }
    raise_max_pfn(pfn);
    memory_.unlock_p2m();
    return true;
  }

  // Under the lock. The other pfns of the leaf go on reading what they read before.
  void link_leaf(uint64_t leaf, uint64_t va, bool identity) {
    for (uint64_t i = 0; i < kP2mPerPage; ++i)
      memory_.store(va + 8 * i,
                    identity ? identity_frame(pfn_t(leaf * kP2mPerPage + i)) : kInvalidP2mEntry);
    store_barrier();
    memory_.store(mid_slot(leaf), va);
    lists_.set_leaf(leaf, leaf_mfn(leaf));
  }

  bool place_identity_leaf(pfn_t pfn) {
    const uint64_t leaf = leaf_of(pfn);
    spare_page<Memory> mid(memory_), list(memory_);
    if (!reserve_above(leaf, mid, list)) return false;
    memory_.lock_p2m();
    ensure_above(leaf, mid, list);
    if (leaf_va(leaf) == missing_va_) {
      memory_.store(mid_slot(leaf), identity_va_);
      lists_.set_leaf(leaf, leaf_mfn(leaf));
    }
    raise_max_pfn(pfn);
    memory_.unlock_p2m();
    return true;
  }

  // Under the lock. max_pfn is a count, and whole leaves are published.
  void raise_max_pfn(pfn_t pfn) {
    if (pfn.raw() < max_pfn_) return;
    max_pfn_ = (pfn.raw() / kP2mPerPage + 1) * kP2mPerPage;
    if (shared_info_va_ != 0) memory_.store(shared_info_va_ + kSharedInfoMaxPfn, max_pfn_);
  }

  Memory& memory_;
  frame_lists<Memory, p2m_tree> lists_;
  uint64_t top_va_ = 0;
  uint64_t mid_missing_va_ = 0;
  uint64_t missing_va_ = 0;
  uint64_t identity_va_ = 0;
  uint64_t shared_info_va_ = 0;
  uint64_t max_pfn_ = 0;
};

}  // namespace ferry
