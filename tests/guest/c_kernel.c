/* Page-table code as a kernel's in C: nothing here knows what is behind xen_guest.h. */
#include "tests/guest/c_kernel.h"

#define TABLE 0x67UL
#define FRAME 0x000ffffffffff000UL

int c_boot(const struct xen_boot_info* info) {
  int rc = xen_boot(info);
  if (rc) return rc;
  xen_init_mmu_ops();
  rc = xen_mmu_ops()->pagetable_init();
  if (rc) return rc;
  xen_mmu_ops()->after_bootmem();
  return 0;
}

int c_set_up_vcpus(const struct c_pages* pages, unsigned int vcpus, unsigned long page, int* timers,
                   int* ipis) {
  unsigned long infos = (unsigned long)pages->address(page);
  for (unsigned cpu = 0; cpu < vcpus; ++cpu) {
    int rc = xen_vcpu_setup(cpu, infos + 64 * cpu, 0);
    if (rc) return rc;
    timers[cpu] = xen_bind_virq(0, cpu);
    ipis[cpu] = xen_bind_ipi(cpu);
    if (timers[cpu] < 0 || ipis[cpu] < 0) return -1;
  }
  xen_setup_vcpu_info_placement();
  return 0;
}

void c_grant(const struct c_pages* pages, const struct xen_boot_info* info, unsigned int entry,
             unsigned int domain, unsigned long pfn) {
  const unsigned long permit_access = 1;
  pages->store((char*)info->grant_table + 8 * entry,
               pfn_to_mfn(pfn) << 32 | (unsigned long)domain << 16 | permit_access);
}

bool c_exchange(unsigned long pfn) {
  return xen_balloon_out(pfn) && xen_balloon_in(pfn);
}

void c_switch_to(unsigned long cr3) {
  struct pv_mmu_ops* ops = xen_mmu_ops();
  ops->lazy_mmu.enter();
  bool of_the_old_task = ops->start_context_switch();
  ops->write_cr3(cr3);
  ops->end_context_switch(false);
  /* And back, on the new address space all the same: what it was in before, it is in again. */
  ops->start_context_switch();
  ops->end_context_switch(of_the_old_task);
  ops->lazy_mmu.leave();
}

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
