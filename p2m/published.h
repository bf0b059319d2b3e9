// Reading the phys-to-machine map that a guest publishes in shared_info. Freestanding-clean.
//
//   shared_info                       tree                         linear list
//   0xc10  max_pfn                    list list (level 2)          L4 at p2m_cr3
//   0xc18  frame_list_list (mfn)        512 mfns of                  L3, L2, L1 for the range
//   0xc28  p2m_cr3 (0: tree)          lists (level 1)                p2m_vaddr + 4096 * leaf
//   0xc30  p2m_vaddr                    512 mfns of                  whose L1 entries name
//   0xc38  p2m_generation             leaves                       leaves
//
// A leaf is a page of 512 p2m entries (p2m/entry.h): leaf i describes pfns 512 i to 512 i + 511.
// max_pfn is a count. Everything here is written by the guest, at any time: each value is read once
// and checked before it is used. A tree may change unnoticed; around a linear list the guest counts
// p2m_generation up twice for each change of a mapping (not of a p2m entry), so the caller compares
// it again after the walk.
//
// A guest maps the pfns it has no memory for to one shared leaf, and whole ranges of them to one
// shared list. At the end of the map such a run can be long, so of a trailing run of one and the
// same leaf only the first is kept: the others say nothing new. Entries that differ are never lost.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "p2m/entry.h"
#include "p2m/frames.h"

namespace ferry {

inline constexpr size_t kSharedInfoMaxPfn = 0xc10;
inline constexpr size_t kSharedInfoFrameListList = 0xc18;
inline constexpr size_t kSharedInfoP2mCr3 = 0xc28;
inline constexpr size_t kSharedInfoP2mVaddr = 0xc30;
inline constexpr size_t kSharedInfoP2mGeneration = 0xc38;

// The p2m fields of shared_info.arch of a 64-bit guest.
struct published_p2m {
  uint64_t max_pfn = 0;
  uint64_t frame_list_list = 0;
  uint64_t p2m_cr3 = 0;
  uint64_t p2m_vaddr = 0;
  uint64_t p2m_generation = 0;

  constexpr bool linear() const { return p2m_cr3 != 0; }
};

// shared_info: the page, 8-byte aligned. The generation is read first, as the walk's check needs.
inline published_p2m published_p2m_of(const void* shared_info) {
  const auto field = [shared_info](size_t offset) {
    return __atomic_load_n(
        reinterpret_cast<const uint64_t*>(static_cast<const char*>(shared_info) + offset),
        __ATOMIC_ACQUIRE);
  };
  published_p2m p;
  p.p2m_generation = field(kSharedInfoP2mGeneration);
  p.max_pfn = field(kSharedInfoMaxPfn);
  p.frame_list_list = field(kSharedInfoFrameListList);
  p.p2m_cr3 = field(kSharedInfoP2mCr3);
  p.p2m_vaddr = field(kSharedInfoP2mVaddr);
  return p;
}

struct p2m_limits {
  uint64_t nr_mfns = 0;                   // of the host: an mfn must be below
  uint64_t max_pfns = uint64_t{1} << 32;  // 16 TiB of guest: bounds the walk
  // How many leaves the visitor gets at most; what is dropped at the end of the map is not counted.
  // The caller keeps something for each of them, and a guest can name a handful of pages over and
  // over again.
  uint64_t max_leaves = uint64_t{1} << 23;
};

enum class p2m_fault : uint8_t {
  none,
  no_pfns,        // max_pfn is 0
  too_many_pfns,  // max_pfn is above the limit, or more than the tree can describe, or there are
                  // more leaves than the limit
  not_published,  // tree form, but frame_list_list is 0 (not set yet) or ~0 (invalid on purpose)
  in_change,      // the generation is odd: read again later
  bad_range,      // the list is not in page-aligned, canonical addresses outside Xen's own
  not_present,    // a page-table entry on the way has no P
  superpage,      // a page-table entry on the way has PSE
  bad_frame,      // an mfn on the way is 0 or beyond the host's memory
  unreadable,     // the memory policy has no such frame
};

struct [[nodiscard]] p2m_read_result {
  p2m_fault fault = p2m_fault::none;
  // Where: the entry that is wrong, or leads to the unreadable frame.
  unsigned level = 0;  // of the page it is in: 4 to 1, lists 2 and 1; 0 if it is in shared_info
  unsigned index = 0;  // in that page
  uint64_t entry = 0;  // as it was read
  uint64_t leaf = 0;   // the leaf that was looked for
  // How much there is, when there is no fault.
  uint64_t nr_leaves = 0;
  uint64_t nr_pfns = 0;  // max_pfn, or less where a trailing run of one leaf was dropped

  constexpr bool ok() const { return fault == p2m_fault::none; }
};

constexpr const char* text_of(p2m_fault fault) {
  switch (fault) {
    case p2m_fault::none:
      return "no fault";
    case p2m_fault::no_pfns:
      return "max_pfn is 0";
    case p2m_fault::too_many_pfns:
      return "it describes more pages than such a guest can have";
    case p2m_fault::not_published:
      return "the guest has not published its p2m";
    case p2m_fault::in_change:
      return "the guest is changing its p2m";
    case p2m_fault::bad_range:
      return "p2m_vaddr is not a range of the guest's addresses";
    case p2m_fault::not_present:
      return "page-table entry is not present";
    case p2m_fault::superpage:
      return "page-table entry is a superpage";
    case p2m_fault::bad_frame:
      return "frame number is 0 or beyond the host's memory";
    case p2m_fault::unreadable:
      return "frame cannot be read";
  }
  return "unknown fault";
}

namespace detail {

// One walk. Linear: the page tables from L4 down; otherwise the lists from level 2 down, for which
// a leaf's "address" is its number times 4096, so that both index their pages alike.
template <bool Linear, typename Memory, typename Visitor>
class p2m_walk {
 public:
  p2m_walk(const p2m_limits& limits, Memory& memory, Visitor& visitor)
      : limits_(limits), memory_(memory), visitor_(visitor) {}

  p2m_read_result run(uint64_t root_entry, uint64_t root, uint64_t start, uint64_t nr_leaves) {
    start_ = start;
    if (!good_frame(root)) return {p2m_fault::bad_frame, 0, 0, root_entry};
    auto page = memory_.frame(mfn_t(root));
    if (!page) return {p2m_fault::unreadable, 0, 0, root_entry};
    p2m_read_result r =
        table<kRootLevel>(mfn_t(root), page, start, start + nr_leaves * kPageSize - 1);
    if (r.ok()) r.nr_leaves = visited_;
    return r;
  }

 private:
  static constexpr unsigned kRootLevel = Linear ? 4 : 2;
  static constexpr unsigned shift(unsigned level) { return kPageShift + 9 * (level - 1); }
  static constexpr unsigned index_of(unsigned level, uint64_t address) {
    return static_cast<unsigned>(address >> shift(level)) & 511;
  }

  struct child {
    p2m_read_result result;
    uint64_t mfn = 0;
  };

  bool good_frame(uint64_t mfn) const { return mfn != 0 && mfn < limits_.nr_mfns; }

  p2m_read_result fault_at(p2m_fault fault, unsigned level, uint64_t address,
                           uint64_t entry) const {
    return {fault, level, index_of(level, address), entry, (address - start_) >> kPageShift};
  }

  template <typename Page>
  child entry_at(unsigned level, const Page& page, uint64_t address) const {
    const uint64_t entry = __atomic_load_n(&page[index_of(level, address)], __ATOMIC_RELAXED);
    uint64_t mfn = entry;
    if constexpr (Linear) {
      if ((entry & 1) == 0) return {fault_at(p2m_fault::not_present, level, address, entry)};
      if (level > 1 && (entry & 0x80) != 0)
        return {fault_at(p2m_fault::superpage, level, address, entry)};
      mfn = (entry & uint64_t{0x000ffffffffff000}) >> kPageShift;
    }
    if (!good_frame(mfn)) return {fault_at(p2m_fault::bad_frame, level, address, entry)};
    child c{{}, mfn};
    c.result.entry = entry;
    return c;
  }

  // The part of a table that covers addresses first to last, both inside of it.
  template <unsigned Level, typename Page>
  p2m_read_result table(mfn_t mfn, const Page& page, uint64_t first, uint64_t last) {
    visitor_.table(Level, mfn);
    for (uint64_t address = first;;) {
      const uint64_t end = address | ((uint64_t{1} << shift(Level)) - 1);
      const uint64_t child_last = end < last ? end : last;
      const child c = entry_at(Level, page, address);
      if (!c.result.ok()) return c.result;
      p2m_read_result r;
      if constexpr (Level == 1)
        r = leaf(c.mfn) ? r : fault_at(p2m_fault::too_many_pfns, Level, address, c.result.entry);
      else if constexpr (Level == 2)
        r = hold_or_read(c, address, child_last);
      else
        r = read_child<Level>(c, address, child_last);
      if (!r.ok()) return r;
      if (end >= last) return {};
      address = end + 1;
    }
  }

  template <unsigned Level>
  p2m_read_result read_child(const child& c, uint64_t first, uint64_t last) {
    auto page = memory_.frame(mfn_t(c.mfn));
    if (!page) return fault_at(p2m_fault::unreadable, Level, first, c.result.entry);
    return table<Level - 1>(mfn_t(c.mfn), page, first, last);
  }

  // A level 1 page that is the very one before it is put off: at the end it is dropped. That is
  // right only if the one before was read from its first slot on.
  p2m_read_result hold_or_read(const child& c, uint64_t first, uint64_t last) {
    if (c.mfn == previous_table_ && previous_whole_) {
      if (held_tables_++ == 0) {
        held_ = c;
        held_first_ = first;
      }
      return {};
    }
    const p2m_read_result r = release_tables();
    if (!r.ok()) return r;
    previous_table_ = c.mfn;
    previous_whole_ = index_of(1, first) == 0;
    return read_child<2>(c, first, last);
  }

  p2m_read_result release_tables() {
    for (; held_tables_ > 0; --held_tables_) {
      const p2m_read_result r =
          read_child<2>(held_, held_first_, held_first_ + kP2mPerPage * kPageSize - 1);
      if (!r.ok()) return r;
      held_first_ += kP2mPerPage * kPageSize;
    }
    return {};
  }

  // The same for a leaf that is the very one before it. False if there are too many.
  bool leaf(uint64_t mfn) {
    if (mfn == previous_leaf_) {
      ++held_leaves_;
      return true;
    }
    if (visited_ + held_leaves_ >= limits_.max_leaves) return false;
    for (; held_leaves_ > 0; --held_leaves_) visitor_.leaf(visited_++, mfn_t(previous_leaf_));
    visitor_.leaf(visited_++, mfn_t(mfn));
    previous_leaf_ = mfn;
    return true;
  }

  const p2m_limits& limits_;
  Memory& memory_;
  Visitor& visitor_;
  uint64_t start_ = 0;
  uint64_t visited_ = 0;        // leaves the visitor has seen
  uint64_t previous_leaf_ = 0;  // 0 is no frame that good_frame() lets through
  uint64_t held_leaves_ = 0;
  uint64_t previous_table_ = 0;
  bool previous_whole_ = false;
  uint64_t held_tables_ = 0;
  child held_;
  uint64_t held_first_ = 0;
};

// start and last: the first and the last byte of the list.
constexpr bool in_guest_addresses(uint64_t start, uint64_t last) {
  if (start % kPageSize != 0 || last < start) return false;
  const uint64_t half = start >> 47;
  if (half != last >> 47 || (half != 0 && half != 0x1ffff)) return false;
  return start > uint64_t{0xffff87ffffffffff} || last < uint64_t{0xffff800000000000};
}

}  // namespace detail

// Walks what p says.
//   Memory:   frame(mfn_t) gives read access to a frame of the guest: something that tests false if
//             there is none and has [0] to [511], of const uint64_t, as long as it lives (a
//             const uint64_t*, or an object that holds a mapping). Asked only about frames below
//             limits.nr_mfns.
//   Visitor:  leaf(uint64_t index, mfn_t), for leaf 0, 1, 2, ...; and table(unsigned level, mfn_t)
//             for each page that was read on the way, which may come more than once.
// Whether each leaf is the guest's own frame is for the caller to check: that takes the leaves.
// After a fault the visitor has seen a part.
template <typename Memory, typename Visitor>
p2m_read_result read_published_p2m(const published_p2m& p, const p2m_limits& limits, Memory& memory,
                                   Visitor& visitor) {
  if (p.max_pfn == 0) return {p2m_fault::no_pfns};
  if (p.max_pfn > limits.max_pfns) return {p2m_fault::too_many_pfns, 0, 0, p.max_pfn};
  const uint64_t nr_leaves = (p.max_pfn - 1) / kP2mPerPage + 1;
  p2m_read_result r;
  if (p.linear()) {
    if ((p.p2m_generation & 1) != 0) return {p2m_fault::in_change, 0, 0, p.p2m_generation};
    // Two steps, so that nothing overflows whatever the limit is.
    if (nr_leaves > uint64_t{1} << 35) return {p2m_fault::too_many_pfns, 0, 0, p.max_pfn};
    if (!detail::in_guest_addresses(p.p2m_vaddr, p.p2m_vaddr + nr_leaves * kPageSize - 1))
      return {p2m_fault::bad_range, 0, 0, p.p2m_vaddr};
    detail::p2m_walk<true, Memory, Visitor> walk(limits, memory, visitor);
    r = walk.run(p.p2m_cr3, p.p2m_cr3 >> kPageShift, p.p2m_vaddr, nr_leaves);
  } else {
    if (p.frame_list_list == 0 || p.frame_list_list == kInvalidP2mEntry)
      return {p2m_fault::not_published, 0, 0, p.frame_list_list};
    if (nr_leaves > uint64_t{kP2mPerPage} * kP2mPerPage)
      return {p2m_fault::too_many_pfns, 0, 0, p.max_pfn};
    detail::p2m_walk<false, Memory, Visitor> walk(limits, memory, visitor);
    r = walk.run(p.frame_list_list, p.frame_list_list, 0, nr_leaves);
  }
  if (!r.ok()) return r;
  const uint64_t covered = r.nr_leaves * kP2mPerPage;
  r.nr_pfns = p.max_pfn < covered ? p.max_pfn : covered;
  return r;
}

}  // namespace ferry
