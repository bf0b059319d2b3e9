// Would Xen take a page as the page table that the image says it is?
//
// An entry in the image, as in the guest but with a pfn for the machine frame:
//
//   63  62    52 51        12 11   9  8   7    6 5   4   3   2    1  0
//   NX  | avail | pfn        | avail | G | PSE | D A | PCD PWT US | RW P
//
// Only present entries (P) mean anything; bit 7 is PSE above L1 and PAT in L1.
#include "audit/page_table.h"

#include "audit/layout.h"
#include "proto/pages.h"

namespace ferry::audit {
namespace {

// One table, as far as its entries have to know it.
struct Table {
  PageMap& map;
  const Place& place;
  unsigned level;
  Findings& findings;

  Place at(unsigned index) const {
    Place entry = place;
    entry.index = index;
    return entry;
  }
  // "L2 entry 7 of pfn 0x12 …": put together only if the finding is kept.
  template <typename... Args>
  void complain(const Rule& rule, unsigned index, fmt::format_string<Args...> what,
                Args&&... args) const {
    findings.add(rule, at(index), [&] {
      return fmt::format("L{} entry {} of pfn {:#x} {}", level, index, *place.pfn,
                         fmt::format(what, std::forward<Args>(args)...));
    });
  }
};

void check_flags(const Table& table, unsigned index, uint64_t entry) {
  constexpr uint64_t kCache = kPteWriteThrough | kPteCacheDisable;
  if (table.level == 1) {
    if ((entry & (kCache | kPteLargeOrPat)) != 0) {
      table.complain(rule::cache_flags, index, "has cache bits ({:#x}).",
                     entry & (kCache | kPteLargeOrPat));
    }
  } else if ((entry & (kCache | kPteGlobal)) != 0) {
    table.complain(rule::entry_flags, index, "has bits that Xen refuses above L1 ({:#x}).",
                   entry & (kCache | kPteGlobal));
  }
}

void check_writable(const Table& table, unsigned index, uint64_t target) {
  if (is_page_table(table.map.kind(target))) {
    table.complain(rule::writable_table, index, "maps pfn {:#x} writable, but that is {}.", target,
                   describe(table.map, target));
  } else if (table.map.marked(target, PageMap::kGdtFrame)) {
    table.complain(rule::writable_gdt, index,
                   "maps pfn {:#x} writable, but that is a frame of a GDT.", target);
  }
}

// An entry that names a table of its own level.
void check_linear(const Table& table, unsigned index, uint64_t entry, uint64_t target) {
  table.complain(rule::linear_table, index, "names pfn {:#x}, a table of the same level.", target);
  if ((entry & kPteWritable) != 0) {
    table.complain(rule::linear_writable, index,
                   "names a table of the same level, pfn {:#x}, and is writable.", target);
  }
  if (target != *table.place.pfn) {  // a table that names itself takes no reference
    table.map.mark(*table.place.pfn, PageMap::kLinearSource);
    table.map.mark(target, PageMap::kLinearTarget);
  }
}

void check_entry(const Table& table, unsigned index, uint64_t entry) {
  if (table.level > 1 && (entry & kPteLargeOrPat) != 0) {
    table.complain(rule::large_page, index, "maps a large page.");
    return;
  }
  check_flags(table, index, entry);
  const uint64_t target = frame_of_entry(entry);
  if (target >= table.map.size()) {
    table.complain(rule::target_range, index, "names frame {:#x}, but the guest has {} pfns.",
                   target, table.map.size());
    return;
  }
  if (!table.map.populated(target)) {
    table.complain(rule::target_absent, index, "names pfn {:#x}, which is {}.", target,
                   describe(table.map, target));
    return;
  }
  const int level = table_level(table.map.kind(target));
  if (table.level == 1) {
    if ((entry & kPteWritable) != 0) check_writable(table, index, target);
  } else if (level == static_cast<int>(table.level)) {
    check_linear(table, index, entry, target);
  } else if (level != static_cast<int>(table.level) - 1) {
    table.complain(rule::target_type, index,
                   "names pfn {:#x}, which is {} instead of an L{} table.", target,
                   describe(table.map, target), table.level - 1);
  }
}

}  // namespace

void check_table(PageMap& map, const Place& place, std::span<const std::byte, kPageSize> bytes,
                 Findings& findings) {
  const Table table{map, place, *place.level, findings};
  for (unsigned index = 0; index < kEntriesPerTable; ++index) {
    const uint64_t entry = load_u64(bytes, index * sizeof(uint64_t));
    if (table.level == 4 && index >= kFirstXenSlot && index <= kLastXenSlot) {
      if (entry != 0) {
        table.complain(rule::reserved_slot, index, "is one of Xen's slots and not zero.");
      }
    } else if ((entry & kPtePresent) != 0) {
      check_entry(table, index, entry);
    }
  }
}

void check_replaced_table(const PageMap& map, const Place& place,
                          std::span<const std::byte, kPageSize> bytes, Findings& findings) {
  for (unsigned index = 0; index < kEntriesPerTable; ++index) {
    const uint64_t entry = load_u64(bytes, index * sizeof(uint64_t));
    const bool xen = *place.level == 4 && index >= kFirstXenSlot && index <= kLastXenSlot;
    const bool present = (entry & kPtePresent) != 0;
    const bool large = present && *place.level > 1 && (entry & kPteLargeOrPat) != 0;
    if (xen ? entry == 0 : !large && (!present || frame_of_entry(entry) < map.size())) continue;
    Place here = place;
    here.index = index;
    findings.add(
        rule::replaced_table, here,
        "L{} entry {} of an earlier version of pfn {:#x} is {:#x}, which no restore takes.",
        *place.level, index, *place.pfn, entry);
  }
}

void check_linear_depth(const PageMap& map, Findings& findings) {
  constexpr uint8_t kBoth = PageMap::kLinearSource | PageMap::kLinearTarget;
  map.for_each_run(
      [&](uint64_t first, uint64_t count, v1::PageKind, v1::PageKind, uint8_t marks, uint64_t) {
        if ((marks & kBoth) != kBoth) return;
        findings.add_each(rule::linear_depth, count, [&](uint64_t i) {
          findings.add(rule::linear_depth, {.pfn = first + i},
                       "pfn {:#x} maps a table of its own level and is mapped by one.", first + i);
        });
      });
}

}  // namespace ferry::audit
