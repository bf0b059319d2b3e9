// The kernel's own page tables, walked and extended: what the linear p2m lives behind.
// Freestanding-clean.
#pragma once

#include <stdint.h>

#include "canonicalize/pte.h"
#include "guest/abi.h"
#include "guest/machine.h"

namespace ferry {

// Entries of the direct map.
inline constexpr uint64_t kKernelReadOnly = kPteNx | kPteDirty | kPteAccessed | kPtePresent;
inline constexpr uint64_t kKernelReadWrite = kKernelReadOnly | kPteRw;
// Entries that name a table.
inline constexpr uint64_t kTableFlags = kPtePresent | kPteRw | kPteUser | kPteAccessed | kPteDirty;

template <guest_machine Machine>
struct guest_core;

template <guest_machine Machine>
class kernel_map {
 public:
  explicit kernel_map(guest_core<Machine>& core) : core_(core) {}
  kernel_map(const kernel_map&) = delete;
  kernel_map& operator=(const kernel_map&) = delete;

  // Where in the direct map the entry for va is, in the table of that level; 0 if there is none.
  uint64_t entry_address(uint64_t va, pt_level level) const {
    uint64_t table = core_.machine.va_of(core_.init_pgd);
    for (unsigned n = 4; n > xen_level_of(level); --n) {
      const uint64_t e = core_.machine.load(table + 8 * index(va, n));
      if ((e & kPtePresent) == 0 || (e & kPtePse) != 0) return 0;
      table = core_.machine.va_of(core_.pfn_behind(e));
    }
    return table + 8 * index(va, xen_level_of(level));
  }

  // Entries as the CPU walks them; 0 if there is no table.
  uint64_t l1_entry(uint64_t va) const { return entry(va, PT_PTE); }
  uint64_t l2_entry(uint64_t va) const { return entry(va, PT_PMD); }
  void set_l1_entry(uint64_t va, uint64_t value) { set_entry(va, PT_PTE, value); }
  void set_l2_entry(uint64_t va, uint64_t value) { set_entry(va, PT_PMD, value); }

  // Makes tables down to L2 for all of a range. False if memory ran out; what was made stays.
  [[nodiscard]] bool reserve(uint64_t va, uint64_t bytes) {
    const uint64_t last = va + bytes - 1;
    for (uint64_t at = va;;) {
      if (!add_table(at, PT_PGD) || !add_table(at, PT_PUD)) return false;
      const uint64_t end = at | ((uint64_t{1} << 30) - 1);
      if (end >= last) return true;
      at = end + 1;
    }
  }

  // A page filled with entries becomes an L1 table, and back. Not linked anywhere then.
  void make_l1(pfn_t pfn) {
    make_table(pfn);
    core_.mmuext_now(abi::kPinL1Table, core_.p2m.frame_of(pfn));
    core_.machine.page(pfn).xen_pinned = true;
  }
  void unmake_l1(pfn_t pfn) {
    core_.mmuext_now(abi::kUnpinTable, core_.p2m.frame_of(pfn));
    core_.remap_now(pfn, kKernelReadWrite);
    core_.machine.page(pfn).xen_pinned = false;
    core_.machine.page(pfn).pinned = false;
  }

  mfn_t root() const { return core_.p2m.frame_of(core_.init_pgd); }

 private:
  static constexpr unsigned index(uint64_t va, unsigned level) {
    return static_cast<unsigned>(va >> (kPageShift + 9 * (level - 1))) & 511;
  }

  uint64_t entry(uint64_t va, pt_level level) const {
    const uint64_t at = entry_address(va, level);
    return at == 0 ? 0 : core_.machine.load(at);
  }

  void set_entry(uint64_t va, pt_level level, uint64_t value) {
    const uint64_t at = entry_address(va, level);
    if (at == 0) core_.machine.bug("no page table for a kernel address");
    core_.update_now(core_.machine_address_of(at), value);
  }

  void make_table(pfn_t pfn) {
    core_.remap_now(pfn, kKernelReadOnly);
    core_.machine.page(pfn).pinned = true;
  }

  // The table below the entry for va at this level, if there is none yet.
  bool add_table(uint64_t va, pt_level level) {
    if ((entry(va, level) & kPtePresent) != 0) return true;
    pfn_t pfn;
    if (!core_.machine.alloc_page(pfn)) return false;
    fill_page(core_.machine, core_.machine.va_of(pfn), 0);
    make_table(pfn);
    set_entry(va, level, raw(make_pte(core_.p2m.frame_of(pfn), kTableFlags)));
    return true;
  }

  guest_core<Machine>& core_;
};

}  // namespace ferry
