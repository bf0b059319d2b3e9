// A process's page tables.
#include "kernel/process.h"

#include "canonicalize/pte.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/memory.h"
#include "kernel/xen_half.h"

extern "C" const uint64_t user_text[512];

namespace ferry::kernel {
namespace {

constexpr uint64_t kUserTable = kPtePresent | kPteRw | kPteUser | kPteAccessed | kPteDirty;
constexpr uint64_t kNone = ~uint64_t{0};

pfn_t text;
uint64_t first_freed = kNone;

template <typename T>
T* at(uint64_t va) {
  return reinterpret_cast<T*>(va);
}
uint64_t load(uint64_t va) {
  return *at<const volatile uint64_t>(va);
}
unsigned slot(uint64_t va, unsigned level) {
  return static_cast<unsigned>(va >> (kPageShift + 9 * (level - 1))) & 511;
}

// Where the entry for va is in the table of a level; 0 if that table is not there. What waits is
// made first.
uint64_t entry_address(const Process& p, uint64_t va, unsigned level) {
  uint64_t table = va_of(p.pgd);
  for (unsigned n = 4; n > level; --n) {
    const uint64_t entry = load(table + 8 * slot(va, n));
    if ((entry & kPtePresent) == 0) return 0;
    table = va_of(pfn_t((xen_mmu_ops()->pgd_val({entry}) & kPteFrameMask) >> kPageShift));
  }
  return table + 8 * slot(va, level);
}

// The entry that names the table of a level for va; the table's pfn, or 0.
void link(const Process& p, uint64_t va, unsigned level, uint64_t pfn) {
  pv_mmu_ops* ops = xen_mmu_ops();
  const uint64_t entry = entry_address(p, va, level + 1);
  const uint64_t value = pfn == 0 ? 0 : pfn << kPageShift | kUserTable;
  if (level == 3) ops->set_p4d(at<p4d_t>(entry), ops->make_p4d(value));
  if (level == 2) ops->set_pud(at<pud_t>(entry), ops->make_pud(value));
  if (level == 1) ops->set_pmd(at<pmd_t>(entry), ops->make_pmd(value));
  ops->lazy_mmu.flush();  // who walks next shall find it
}

bool make_table(const Process& p, uint64_t va, unsigned level) {
  if (entry_address(p, va, level) != 0) return true;
  pfn_t pfn;
  if (!alloc_page(PageUse::table, pfn)) return false;
  __builtin_memset(at<void>(va_of(pfn)), 0, kPageSize);
  mm_struct mm = p.mm();
  pv_mmu_ops* ops = xen_mmu_ops();
  (level == 3 ? ops->alloc_pud : level == 2 ? ops->alloc_pmd : ops->alloc_pte)(&mm, pfn.raw());
  link(p, va, level, pfn.raw());
  return true;
}

bool make_tables(const Process& p, uint64_t va) {
  return make_table(p, va, 3) && make_table(p, va, 2) && make_table(p, va, 1);
}

// An entry without P is the kernel's own. It holds the frame's number turned over, so that a CPU
// which looks at it all the same finds no memory there.
uint64_t value_of(const Mapping& m) {
  const uint64_t rights =
      kPteUser | kPteNx | (m.writable && !m.cow ? uint64_t{kPteRw} : uint64_t{0});
  if (m.state == Mapping::hidden) return raw(make_pte(pfn_t(~m.pfn), rights | kPteGlobal));
  return xen_mmu_ops()->make_pte(m.pfn << kPageShift | rights | kPtePresent).pte;
}

// Whatever another vCPU remembers of this address space is old from now on.
void changed(Process& p) {
  p.stale |= ~(1u << this_cpu());
}

void release_tables(uint64_t table, unsigned level) {
  pv_mmu_ops* ops = xen_mmu_ops();
  for (unsigned i = 0; i < (level == 4 ? kUserSlots : kEntriesPerTable); ++i) {
    const uint64_t entry = load(va_of(pfn_t(table)) + 8 * i);
    if ((entry & kPtePresent) == 0) continue;
    const uint64_t pfn = ops->pgd_val({entry}) >> kPageShift & (kFrameLimit - 1);
    if (level > 2) release_tables(pfn, level - 1);
    (level == 4 ? ops->release_pud : level == 3 ? ops->release_pmd : ops->release_pte)(pfn);
    free_later(pfn_t(pfn));
  }
}

}  // namespace

mm_struct Process::mm() const {
  return {at<pgd_t>(va_of(pgd))};
}
bool Process::pinned() const {
  return record_of(pgd).guest.pinned;
}

uint64_t address_of_page(unsigned page) {
  constexpr uint64_t kPlaces[4] = {0x400000, 0x555555554000, 0x7f1234400000, 0x7ffffffe0000};
  return kPlaces[page / 16] + page % 16 * kPageSize;
}

void set_up_user_text() {
  if (!alloc_page(PageUse::kernel, text)) bug("no memory for the text of processes");
  __builtin_memcpy(at<void>(va_of(text)), user_text, kPageSize);
}

bool create(Process& p) {
  p = Process{};
  if (!alloc_page(PageUse::table, p.pgd)) return false;
  mm_struct mm = p.mm();
  if (xen_mmu_ops()->pgd_alloc(&mm) != 0) {
    free_page(p.pgd);
    return false;
  }
  p.used = true;
  if (make_tables(p, kUserText)) {
    pv_mmu_ops* ops = xen_mmu_ops();
    ops->set_pte(at<pte_t>(entry_address(p, kUserText, 1)),
                 ops->make_pte(text.raw() << kPageShift | kPteUser | kPtePresent));
    return true;
  }
  destroy(p);
  return false;
}

void destroy(Process& p) {
  pv_mmu_ops* ops = xen_mmu_ops();
  mm_struct mm = p.mm();
  ops->exit_mmap(&mm);
  release_tables(p.pgd.raw(), 4);
  ops->pgd_free(&mm, mm.pgd);
  free_later(p.pgd);
  p.used = false;
}

void load(Process& p) {
  pv_mmu_ops* ops = xen_mmu_ops();
  const uint32_t here = 1u << this_cpu();
  const uint64_t base = p.pgd.raw() << kPageShift;
  if (ops->read_cr3() == base && (p.stale & here) == 0) return;
  if (!p.pinned()) {
    mm_struct mm = p.mm();
    ops->enter_mmap(&mm);
  }
  const bool lazy = ops->start_context_switch();
  ops->write_cr3(base);
  ops->end_context_switch(lazy);
  p.stale &= ~here;
}

bool map(Process& p, unsigned page) {
  if (!make_tables(p, address_of_page(page))) return false;
  p.pages[page].written = false;
  xen_mmu_ops()->set_pte(pte_of(p, page), pte_t{value_of(p.pages[page])});
  return true;
}

void remap(Process& p, unsigned page) {
  p.pages[page].written = false;
  xen_mmu_ops()->set_pte(pte_of(p, page), pte_t{value_of(p.pages[page])});
  xen_mmu_ops()->flush_tlb_one_user(address_of_page(page));
  changed(p);
}

void protect(Process& p, unsigned page) {
  pv_mmu_ops* ops = xen_mmu_ops();
  ops->lazy_mmu.flush();  // the entry may still wait
  pte_t* entry = pte_of(p, page);
  const pte_t old = ops->ptep_modify_prot_start(nullptr, address_of_page(page), entry);
  const uint64_t kept = old.pte & (kPteAccessed | kPteDirty);
  ops->ptep_modify_prot_commit(nullptr, address_of_page(page), entry,
                               pte_t{value_of(p.pages[page]) | kept});
  ops->flush_tlb_one_user(address_of_page(page));
  changed(p);
}

void unmap(Process& p, unsigned page) {
  xen_mmu_ops()->set_pte(pte_of(p, page), pte_t{0});
  xen_mmu_ops()->flush_tlb_one_user(address_of_page(page));
  changed(p);
}

void drop_l1(Process& p, unsigned page) {
  const uint64_t va = address_of_page(page);
  xen_mmu_ops()->lazy_mmu.flush();
  const uint64_t entry = entry_address(p, va, 2);
  if (entry == 0 || (load(entry) & kPtePresent) == 0) return;
  const uint64_t pfn = xen_mmu_ops()->pmd_val({load(entry)}) >> kPageShift & (kFrameLimit - 1);
  link(p, va, 1, 0);
  xen_mmu_ops()->flush_tlb_user();
  changed(p);
  xen_mmu_ops()->release_pte(pfn);
  free_later(pfn_t(pfn));
}

pte_t* pte_of(const Process& p, unsigned page) {
  return at<pte_t>(entry_address(p, address_of_page(page), 1));
}

uint64_t entry_of(const Process& p, unsigned page) {
  const uint64_t entry = entry_address(p, address_of_page(page), 1);
  return entry == 0 ? 0 : load(entry);
}

namespace {

// By Xen's own table.
uint64_t pfn_behind(uint64_t entry) {
  return at<const volatile uint64_t>(kM2pVa)[(entry & kPteFrameMask) >> kPageShift];
}

// The L1 entry for va, or 0.
uint64_t walk(uint64_t pgd, uint64_t va) {
  uint64_t table = pgd;
  for (unsigned level = 4;; --level) {
    const uint64_t entry = load(va_of(pfn_t(table)) + 8 * slot(va, level));
    if (level == 1 || (entry & kPtePresent) == 0) return level == 1 ? entry : 0;
    table = pfn_behind(entry);
  }
}

void check_page(const Process& p, unsigned page) {
  const Mapping& m = p.pages[page];
  const uint64_t entry = walk(p.pgd.raw(), address_of_page(page));
  const auto wrong = [&](const char* how) {
    complain("process ", p.pid, " page ", page, " ", how, ", entry ", hex{entry});
  };
  if (!m.has_page()) {
    if (entry != 0) wrong("is mapped");
    return;
  }
  if (m.state == Mapping::hidden) {
    if ((entry & ~(kPteAccessed | kPteDirty)) != value_of(m)) wrong("is hidden otherwise");
    return;
  }
  if ((entry & kPtePresent) == 0) return wrong("is not mapped");
  if (pfn_behind(entry) != m.pfn) wrong("is mapped to another page");
  if (((entry & kPteRw) != 0) != (m.writable && !m.cow)) wrong("has other rights");
  if (m.written && (entry & kPteDirty) == 0) wrong("has lost its dirty bit");
}

}  // namespace

void check_tables(const Process& p) {
  for (unsigned page = 0; page < Process::kPages; ++page) check_page(p, page);
  // Both L4s, but for what the CPU sets.
  const uint64_t user = record_of(p.pgd).guest.user_pgd;
  for (unsigned i = 0; i < kUserSlots; ++i) {
    const uint64_t differs = load(va_of(p.pgd) + 8 * i) ^ load(va_of(pfn_t(user)) + 8 * i);
    if ((differs & ~(kPteAccessed | kPteDirty | kPteUser)) != 0)
      complain("process ", p.pid, ": the two L4s differ in slot ", i);
  }
}

void free_later(pfn_t pfn) {
  record_of(pfn).next = first_freed;
  first_freed = pfn.raw();
}
void free_now() {
  while (first_freed != kNone) {
    const pfn_t pfn(first_freed);
    first_freed = record_of(pfn).next;
    free_page(pfn);
  }
}

}  // namespace ferry::kernel
