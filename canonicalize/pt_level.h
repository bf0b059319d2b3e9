// The level of a page table, named as kernels name it, and Xen's number for it. Freestanding-clean;
// the enumeration is for C too.
#pragma once

// What a page-table walker tells its callback: the kernel's own enumeration, ordered from the root
// down. It is global, not ferry's, because guest code spells it so.
enum pt_level { PT_PGD, PT_PUD, PT_PMD, PT_PTE };

#ifdef __cplusplus

namespace ferry {

// Xen counts the other way: L4 is the root, L1 holds the entries that map pages
// (MMUEXT_PIN_L1_TABLE and page types are built on it). The two must never be cast into each other.
constexpr unsigned xen_level_of(pt_level level) {
  switch (level) {
    case PT_PGD:
      return 4;
    case PT_PUD:
      return 3;
    case PT_PMD:
      return 2;
    case PT_PTE:
      return 1;
  }
  return 0;  // only reachable with a value that was cast into the enumeration
}

// xen_level: 1 to 4. False, and level untouched, for any other number.
[[nodiscard]] constexpr bool pt_level_of(unsigned xen_level, pt_level& level) {
  switch (xen_level) {
    case 4:
      level = PT_PGD;
      return true;
    case 3:
      level = PT_PUD;
      return true;
    case 2:
      level = PT_PMD;
      return true;
    case 1:
      level = PT_PTE;
      return true;
    default:
      return false;
  }
}

}  // namespace ferry

#endif  // __cplusplus
