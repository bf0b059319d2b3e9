// What nothing else of the kernel calls.
#include "kernel/trials.h"

#include "canonicalize/pte.h"
#include "guest/xen_guest.h"
#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/xen_half.h"

namespace ferry::kernel {
namespace {

// In an L4 slot in which nothing is.
constexpr uint64_t kTrialVa = 0xffffd00000000000;

template <typename T>
T* at(uint64_t va) {
  return reinterpret_cast<T*>(va);
}

uint64_t new_table() {
  pfn_t pfn;
  if (!alloc_page(PageUse::kernel, pfn)) bug("no memory for a page table");
  __builtin_memset(at<void>(va_of(pfn)), 0, kPageSize);
  return pfn.raw();
}

uint64_t entry(enum pt_level level) {
  return current_guest().core.map.entry_address(kTrialVa, level);
}

void expect(bool holds, const char* what) {
  if (!holds) complain(what);
}

template <typename Make, typename Value>
void there_and_back(Make* make, Value* value, const char* what) {
  const unsigned long written = uint64_t{7} << kPageShift | kTableFlags;
  expect(value(make(written)) == written, what);
}

}  // namespace

// Tables of each level made, linked, used and taken away again. Xen emulates the stores to the L1.
void try_early_operations() {
  pv_mmu_ops* ops = xen_mmu_ops();
  const uint64_t l3 = new_table(), l2 = new_table(), l1 = new_table(), page = new_table();
  const uint64_t tables[] = {l3, l2, l1};
  ops->alloc_pud(nullptr, l3);
  ops->set_p4d(at<p4d_t>(entry(PT_PGD)), ops->make_p4d(l3 << kPageShift | kTableFlags));
  ops->alloc_pmd(nullptr, l2);
  ops->set_pud(at<pud_t>(entry(PT_PUD)), ops->make_pud(l2 << kPageShift | kTableFlags));
  ops->alloc_pte(nullptr, l1);
  ops->set_pmd(at<pmd_t>(entry(PT_PMD)), ops->make_pmd(l1 << kPageShift | kTableFlags));
  ops->set_pte(at<pte_t>(entry(PT_PTE)), ops->make_pte(page << kPageShift | kKernelReadWrite));

  *at<volatile uint64_t>(kTrialVa) = 42;
  expect(*at<volatile uint64_t>(va_of(pfn_t(page))) == 42, "early tables lead elsewhere");
  xen_set_early_pte_table(entry(PT_PTE) & ~(kPageSize - 1));
  ops->set_pte(at<pte_t>(entry(PT_PTE)), pte_t{0});
  xen_set_early_pte_table(0);
  ops->flush_tlb_one_user(kTrialVa);
  uint64_t value = 0;
  expect(!current_guest().machine.try_load(kTrialVa, value), "an early mapping does not go");

  ops->set_pmd(at<pmd_t>(entry(PT_PMD)), pmd_t{0});
  ops->release_pte(l1);
  ops->set_pud(at<pud_t>(entry(PT_PUD)), pud_t{0});
  ops->release_pmd(l2);
  ops->set_p4d(at<p4d_t>(entry(PT_PGD)), p4d_t{0});
  ops->release_pud(l3);
  // Plain memory again.
  for (uint64_t table : tables) *at<volatile uint64_t>(va_of(pfn_t(table))) = 0;
  ops->write_cr3(ops->read_cr3());
}

void try_late_operations() {
  pv_mmu_ops* ops = xen_mmu_ops();
  there_and_back(ops->make_pte, ops->pte_val, "an L1 entry changes on its way");
  there_and_back(ops->make_pmd, ops->pmd_val, "an L2 entry changes on its way");
  there_and_back(ops->make_pud, ops->pud_val, "an L3 entry changes on its way");
  there_and_back(ops->make_p4d, ops->p4d_val, "an L4 entry changes on its way");
  there_and_back(ops->make_pgd, ops->pgd_val, "an L4 entry changes on its way");
  ops->write_cr2(kTrialVa);
  expect(ops->read_cr2() == kTrialVa, "the address of a fault cannot be written");
  ops->flush_tlb_all();
}

void try_read_cr2() {
  uint64_t value = 0;
  expect(
      !current_guest().machine.try_load(kTrialVa, value) && xen_mmu_ops()->read_cr2() == kTrialVa,
      "the address of a fault is not found");
}

}  // namespace ferry::kernel
