// The guest's p2m as a linear list in its own address space. Freestanding-clean.
//
//   addr             addr + 8 * pfn                                 addr + 8 * size
//   | leaf | leaf | leaf | missing | missing | identity | ... | missing | missing |
//     rw     rw     rw     ro        ro        ro                ro        ro
//
// The list is as long as the guest may ever grow. Pfns without memory share one leaf, mapped
// read-only many times over, and where 512 leaves in a row (an L1 page, 1 GiB of guest) are missing
// they share the L1 page too. So a store either hits a leaf of its own or faults. Both shared
// leaves hold ~0 only; which of them a slot has, its page-table entry says.
//
// Until the kernel can build page tables the list is the one the domain builder made ("flat").
//
// Each change of a mapping is told to the toolstack by p2m_generation: odd while it goes on.
#pragma once

#include <stdint.h>

#include "p2m/entry.h"
#include "p2m/frame_lists.h"
#include "p2m/frames.h"
#include "p2m/kernel_memory.h"
#include "p2m/published.h"
#include "p2m/spare_page.h"

namespace ferry {

// Map: the kernel's page tables around the list. Entries are as the CPU walks them.
//   uint64_t l1_entry(uint64_t va), l2_entry(uint64_t va)   0 if there is no table for va
//   void set_l1_entry(uint64_t va, uint64_t entry), set_l2_entry(…)
//   bool reserve(uint64_t va, uint64_t bytes)               tables down to L2; false: no memory
//   void make_l1(pfn_t), unmake_l1(pfn_t)                   a filled page to an L1 table, and back
//   mfn_t root()                                            the L4 of the kernel
template <kernel_memory Memory, typename Map>
class p2m_list {
 public:
  p2m_list(Memory& memory, Map& map) : memory_(memory), map_(map), lists_(memory, *this) {}
  p2m_list(const p2m_list&) = delete;
  p2m_list& operator=(const p2m_list&) = delete;

  // Starts with the builder's list, at its address in the direct map.
  [[nodiscard]] bool init(uint64_t mfn_list_va, uint64_t nr_pages) {
    if (nr_pages == 0 || mfn_list_va % kPageSize != 0) return false;
    size_ = (nr_pages + kP2mPerPage - 1) / kP2mPerPage * kP2mPerPage;
    // What lies behind the last entry is anything at all.
    for (uint64_t pfn = nr_pages; pfn < size_; ++pfn)
      memory_.store(mfn_list_va + 8 * pfn, kInvalidP2mEntry);
    addr_ = mfn_list_va;
    max_pfn_ = size_;
    return true;
  }

  // Moves to a list of its own for up to nr_pfns at area_va (multiple of 2 MiB, nothing mapped
  // there). The builder's list is not used any more then and is the caller's to free: exactly
  // boot_pages() pages from its beginning, what follows are page tables in use. False if memory ran
  // out, or if nr_pfns is less than there is.
  [[nodiscard]] bool build(uint64_t area_va, uint64_t nr_pfns) {
    const uint64_t size = (nr_pfns + kP2mPerPage - 1) / kP2mPerPage * kP2mPerPage;
    if (size < size_ || area_va % (kLeavesPerMid * kPageSize) != 0) return false;
    if (!map_.reserve(area_va, size * 8) || !build_placeholders()) return false;
    for (uint64_t first = 0; first * kP2mPerPage < size; first += kLeavesPerMid) {
      if (first * kP2mPerPage >= size_)
        share_l1(area_va, first);
      else if (!build_l1(area_va, first))
        return false;
    }
    boot_pages_ = size_ / kP2mPerPage;
    store_barrier();
    addr_ = area_va;
    size_ = size;
    flat_ = false;
    return true;
  }
  uint64_t boot_pages() const { return boot_pages_; }

  // The entry of a pfn, markers included; beyond the end what set_beyond_end() says.
  uint64_t get(pfn_t pfn) const {
    if (pfn.raw() >= size_) return identity_beyond_ ? identity_frame(pfn) : kInvalidP2mEntry;
    const uint64_t entry = memory_.load(slot(pfn));
    if (entry != kInvalidP2mEntry || flat_) return entry;
    return is_identity_leaf(slot(pfn)) ? identity_frame(pfn) : kInvalidP2mEntry;
  }

  // A guest with devices of its own finds their frames beyond its memory, mapped one to one; any
  // other guest has nothing there. Off at first.
  void set_beyond_end(bool identity) { identity_beyond_ = identity; }

  // Stores an entry without allocating; false exactly when a leaf must be allocated first.
  [[nodiscard]] bool try_set(pfn_t pfn, uint64_t entry) {
    if (pfn.raw() >= size_) return entry == kInvalidP2mEntry;
    if (memory_.try_store(slot(pfn), entry)) return true;
    return entry == (is_identity_leaf(slot(pfn)) ? identity_frame(pfn) : kInvalidP2mEntry);
  }

  // Stores an entry; false if it took memory and there is none, or beyond the end.
  [[nodiscard]] bool set(pfn_t pfn, uint64_t entry) {
    if (try_set(pfn, entry)) return true;
    return pfn.raw() < size_ && !flat_ && alloc_leaf(pfn) && try_set(pfn, entry);
  }

  // Marks pfns that map one to one, first included, end not. Whole leaves without memory of their
  // own take none. False if memory ran out, or beyond the end; some are marked then.
  [[nodiscard]] bool set_identity(pfn_t first, pfn_t end) {
    for (pfn_t pfn = first; pfn < end;) {
      const bool whole = pfn.raw() % kP2mPerPage == 0 && end - pfn >= kP2mPerPage;
      if (whole && !flat_ && pfn.raw() < size_ && is_missing_leaf(slot(pfn))) {
        if (!place_identity_leaf(pfn)) return false;
        pfn = pfn + kP2mPerPage;
      } else {
        if (!set(pfn, identity_frame(pfn))) return false;
        ++pfn;
      }
    }
    return true;
  }

  // Builds frame lists as well, for toolstacks that do not know the linear form.
  [[nodiscard]] bool build_lists() {
    return lists_.ready() || (!flat_ && lists_.init(missing_va_));
  }
  // After a resume, when every frame is another one and before publish(). Allocates nothing.
  void rebuild_lists() { lists_.rebuild(); }

  // Says in shared_info, mapped at the address, where the list is, and the frame lists if any.
  void publish(uint64_t shared_info_va) {
    if (flat_) memory_.bug("linear p2m published before it was built");
    shared_info_va_ = shared_info_va;
    memory_.store(shared_info_va + kSharedInfoP2mGeneration, generation_);
    memory_.store(shared_info_va + kSharedInfoMaxPfn, max_pfn_);
    memory_.store(shared_info_va + kSharedInfoP2mVaddr, addr_);
    memory_.store(shared_info_va + kSharedInfoFrameListList,
                  lists_.ready() ? lists_.top_mfn().raw() : kInvalidP2mEntry);
    store_barrier();
    memory_.store(shared_info_va + kSharedInfoP2mCr3, map_.root().raw() << kPageShift);
  }
  // shared_info is about to go away.
  void unpublish() { shared_info_va_ = 0; }

  uint64_t max_pfn() const { return max_pfn_; }  // a count; no entry at or above it was ever set
  uint64_t size() const { return size_; }        // how far it can grow

  // For the frame lists.
  mfn_t leaf_mfn(uint64_t leaf) const {
    return leaf * kP2mPerPage < size_ ? frame(map_.l1_entry(leaf_slot(leaf))) : mfn_of(missing_va_);
  }
  bool has_private_leaf(uint64_t first) const {
    return first * kP2mPerPage < size_ && !shares_l1(leaf_slot(first));
  }

  // Everything remembered from one call to the next, member by member: visit(member).
  template <typename Visitor>
  void visit_state(Visitor& visit) {
    lists_.visit_state(visit);
    visit(flat_), visit(identity_beyond_), visit(addr_), visit(size_), visit(max_pfn_);
    visit(boot_pages_), visit(missing_va_), visit(identity_va_), visit(missing_l1_);
    visit(shared_info_va_), visit(generation_);
  }

 private:
  // Present, accessed, no execute; and writable, dirty.
  static constexpr uint64_t kReadOnly = uint64_t{1} << 63 | 0x21;
  static constexpr uint64_t kReadWrite = kReadOnly | 0x42;
  static constexpr uint64_t kTable = 0x67;  // present, writable, user, accessed, dirty

  uint64_t slot(pfn_t pfn) const { return addr_ + 8 * pfn.raw(); }
  uint64_t leaf_slot(uint64_t leaf) const { return addr_ + leaf * kPageSize; }
  static constexpr mfn_t frame(uint64_t entry) {
    return mfn_t((entry & uint64_t{0x000ffffffffff000}) >> kPageShift);
  }
  static constexpr uint64_t entry_for(mfn_t mfn, uint64_t flags) {
    return mfn.raw() << kPageShift | flags;
  }

  mfn_t mfn_of(uint64_t va) const { return mfn_of(memory_.pfn_of(va)); }
  mfn_t mfn_of(pfn_t pfn) const {
    const uint64_t entry = memory_.load(slot(pfn));
    if (p2m_kind_of(entry) != p2m_kind::own) memory_.bug("a page of the p2m has no frame");
    return mfn_t(entry);
  }

  bool is_identity_leaf(uint64_t va) const {
    return !flat_ && frame(map_.l1_entry(va)) == mfn_of(identity_va_);
  }
  bool is_missing_leaf(uint64_t va) const {
    return !flat_ && frame(map_.l1_entry(va)) == mfn_of(missing_va_);
  }
  bool shares_l1(uint64_t va) const { return frame(map_.l2_entry(va)) == mfn_of(missing_l1_); }

  bool build_placeholders() {
    uint64_t* const pages[] = {&missing_va_, &identity_va_};
    for (uint64_t* va : pages) {
      pfn_t pfn;
      if (!memory_.alloc_page(pfn)) return false;
      *va = memory_.va_of(pfn);
      fill_page(memory_, *va, kInvalidP2mEntry);
    }
    if (!memory_.alloc_page(missing_l1_)) return false;
    fill_page(memory_, memory_.va_of(missing_l1_), entry_for(mfn_of(missing_va_), kReadOnly));
    map_.make_l1(missing_l1_);
    return true;
  }

  void share_l1(uint64_t area_va, uint64_t first) {
    map_.set_l2_entry(area_va + first * kPageSize, entry_for(mfn_of(missing_l1_), kTable));
  }

  // Copies of the builder's leaves, behind an L1 page of their own.
  bool build_l1(uint64_t area_va, uint64_t first) {
    pfn_t l1;
    if (!memory_.alloc_page(l1)) return false;
    fill_page(memory_, memory_.va_of(l1), entry_for(mfn_of(missing_va_), kReadOnly));
    for (uint64_t i = 0; i < kLeavesPerMid && (first + i) * kP2mPerPage < size_; ++i) {
      pfn_t leaf;
      if (!memory_.alloc_page(leaf)) return false;
      const uint64_t from = addr_ + (first + i) * kPageSize;
      const uint64_t to = memory_.va_of(leaf);
      for (uint64_t at = 0; at < kPageSize; at += 8)
        memory_.store(to + at, memory_.load(from + at));
      memory_.store(memory_.va_of(l1) + 8 * i, entry_for(mfn_of(leaf), kReadWrite));
    }
    map_.make_l1(l1);
    map_.set_l2_entry(area_va + first * kPageSize, entry_for(mfn_of(l1), kTable));
    return true;
  }

  // Tells the toolstack before and after a change of a mapping. Counted here, so that a suspend
  // that was cancelled does not set it back.
  void count_generation() {
    store_barrier();
    ++generation_;
    if (shared_info_va_ != 0)
      memory_.store(shared_info_va_ + kSharedInfoP2mGeneration, generation_);
    store_barrier();
  }

  // An L1 page of its own for va.
  bool unshare_l1(uint64_t va) {
    if (!shares_l1(va)) return true;
    spare_page<Memory> page(memory_);
    if (!page.reserve()) return false;
    const pfn_t l1 = page.pfn();
    fill_page(memory_, memory_.va_of(l1), entry_for(mfn_of(missing_va_), kReadOnly));
    map_.make_l1(l1);
    memory_.lock_p2m();
    if (shares_l1(va)) {
      count_generation();
      map_.set_l2_entry(va, entry_for(mfn_of(l1), kTable));
      count_generation();
      page.taken();
    }
    memory_.unlock_p2m();
    if (page.have()) map_.unmake_l1(l1);
    return true;
  }

  bool alloc_leaf(pfn_t pfn) {
    const uint64_t leaf = pfn.raw() / kP2mPerPage;
    const uint64_t va = leaf_slot(leaf);
    spare_page<Memory> list(memory_), page(memory_);
    if (!unshare_l1(va) || !list.reserve(lists_.needs_mid(leaf)) || !page.reserve()) return false;
    memory_.lock_p2m();
    if (list.have() && lists_.add_mid(leaf, list.pfn())) list.taken();
    const bool identity = is_identity_leaf(va);
    if (identity || is_missing_leaf(va)) {
      link_leaf(leaf, page.pfn(), identity);
      page.taken();
    }
    raise_max_pfn(pfn);
    memory_.unlock_p2m();
    return true;
  }

  // Under the lock. The other pfns of the leaf go on reading what they read before.
  void link_leaf(uint64_t leaf, pfn_t page, bool identity) {
    const uint64_t to = memory_.va_of(page);
    for (uint64_t i = 0; i < kP2mPerPage; ++i)
      memory_.store(to + 8 * i,
                    identity ? identity_frame(pfn_t(leaf * kP2mPerPage + i)) : kInvalidP2mEntry);
    map_leaf(leaf, entry_for(mfn_of(page), kReadWrite));
  }

  void map_leaf(uint64_t leaf, uint64_t entry) {
    count_generation();
    map_.set_l1_entry(leaf_slot(leaf), entry);
    count_generation();
    lists_.set_leaf(leaf, frame(entry));
  }

  bool place_identity_leaf(pfn_t pfn) {
    const uint64_t leaf = pfn.raw() / kP2mPerPage;
    spare_page<Memory> list(memory_);
    if (!unshare_l1(leaf_slot(leaf)) || !list.reserve(lists_.needs_mid(leaf))) return false;
    memory_.lock_p2m();
    if (list.have() && lists_.add_mid(leaf, list.pfn())) list.taken();
    if (is_missing_leaf(leaf_slot(leaf)))
      map_leaf(leaf, entry_for(mfn_of(identity_va_), kReadOnly));
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
  Map& map_;
  frame_lists<Memory, p2m_list> lists_;
  bool flat_ = true;
  bool identity_beyond_ = false;
  uint64_t addr_ = 0;
  uint64_t size_ = 0;
  uint64_t max_pfn_ = 0;
  uint64_t boot_pages_ = 0;
  uint64_t missing_va_ = 0;
  uint64_t identity_va_ = 0;
  pfn_t missing_l1_;
  uint64_t shared_info_va_ = 0;
  uint64_t generation_ = 0;
};

}  // namespace ferry
