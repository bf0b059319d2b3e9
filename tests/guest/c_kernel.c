/* Page-table code as a kernel's in C: nothing here knows what is behind xen_guest.h. */
#include "tests/guest/c_kernel.h"

#define TABLE 0x67UL
#define FRAME 0x000ffffffffff000UL

pte_t* c_map(const struct c_pages* pages, struct mm_struct* mm, unsigned long va, unsigned long pfn,
             unsigned long flags) {
  struct pv_mmu_ops* ops = xen_mmu_ops();
  char* table = (char*)mm->pgd;
  for (unsigned shift = 39; shift > 12; shift -= 9) {
    unsigned index = va >> shift & 511;
    p4d_t entry = {pages->load(table + 8 * index)};
    unsigned long value = ops->p4d_val(entry);
    if (!(value & 1)) {
      unsigned long below = pages->alloc();
      value = below << 12 | TABLE;
      if (shift == 39) {
        ops->alloc_pud(mm, below);
        ops->set_p4d((p4d_t*)(table + 8 * index), ops->make_p4d(value));
      } else if (shift == 30) {
        ops->alloc_pmd(mm, below);
        ops->set_pud((pud_t*)(table + 8 * index), ops->make_pud(value));
      } else {
        ops->alloc_pte(mm, below);
        ops->set_pmd((pmd_t*)(table + 8 * index), ops->make_pmd(value));
      }
    }
    table = pages->address((value & FRAME) >> 12);
  }
  pte_t* ptep = (pte_t*)(table + 8 * (va >> 12 & 511));
  ops->set_pte(ptep, ops->make_pte(pfn << 12 | flags));
  return ptep;
}

unsigned long c_write_protect(pte_t* ptep) {
  struct pv_mmu_ops* ops = xen_mmu_ops();
  pte_t old = ops->ptep_modify_prot_start(0, 0, ptep);
  pte_t new_value = old;
  new_value.pte &= ~2UL;
  ops->ptep_modify_prot_commit(0, 0, ptep, new_value);
  return ops->pte_val(old);
}
