// Writing page-table entries, and the life of page-table pages. Freestanding-clean.
//
// Each operation comes in an early form, for the time when the kernel has no allocator and no
// record of its pages and every table counts as pinned, and in a late form. Entries and values are
// machine entries; where one is, is given as the kernel's address of it, which is never
// dereferenced: it is turned into a machine address, or handed to the machine.
#pragma once

#include <stdint.h>

#include "canonicalize/pte.h"
#include "guest/abi.h"
#include "guest/core.h"

namespace ferry {

template <guest_machine Machine>
class mmu {
 public:
  explicit mmu(guest_core<Machine>& core) : core_(core) {}

  // L1 entries. The early form stores, and Xen emulates the store if the table is read-only;
  // entries of the table for early mappings, which exists before that works, go by hypercall.
  void set_pte_init(uint64_t at, uint64_t value) {
    if (early_table_va_ != 0 && (at & ~(kPageSize - 1)) == early_table_va_)
      core_.update_now(core_.machine_address_of(at), value);
    else
      core_.machine.store(at, value);
  }
  void set_early_table(uint64_t va) { early_table_va_ = va; }
  void set_pte(uint64_t at, uint64_t value) { update_in_batch(at, value); }

  // Entries of upper levels. No store to these is ever emulated.
  void set_table_entry_init(uint64_t at, uint64_t value) {
    core_.update_now(core_.machine_address_of(at), value);
  }
  void set_table_entry(uint64_t at, uint64_t value) {
    if (core_.pinned(core_.machine.pfn_of(at)))
      update_in_batch(at, value);
    else
      core_.machine.store(at, value);
  }
  // An entry of an L4 that is for user mode stands in the user's L4 too, and both change at once.
  void set_p4d(uint64_t at, uint64_t value) {
    const pfn_t pgd = core_.machine.pfn_of(at);
    const uint64_t user = core_.struct_pages ? core_.machine.page(pgd).user_pgd : kNoPage;
    const uint64_t offset = at & (kPageSize - 1);
    if (user == kNoPage || offset >= 8 * kUserSlots) return set_table_entry(at, value);
    const uint64_t user_at = core_.machine.va_of(pfn_t(user)) + offset;
    if (!core_.pinned(pgd)) {
      core_.machine.store(at, value);
      core_.machine.store(user_at, value);
      return;
    }
    core_.calls.batch();
    queue_update(at, value, abi::kNormalPtUpdate);
    queue_update(user_at, value, abi::kNormalPtUpdate);
    core_.calls.issue(lazy_mode::mmu);
  }

  // Installs a machine frame, untranslated, at a kernel address whose table exists; with frame 0
  // and no flags clears it. At once; the old translation is flushed on this vCPU only.
  void set_pte_mfn(uint64_t va, mfn_t mfn, uint64_t flags) {
    core_.must(
        core_.machine.hypercall(abi::kUpdateVaMapping, va, raw(make_pte(mfn, supported(flags))),
                                abi::kUvmfInvlpg, 0, 0),
        "cannot install a machine frame");
  }

  // To change the protection of an entry: start reads and does nothing else, commit writes all but
  // A and D, which the CPU may have set meanwhile and which can be gained but not lost. The caller
  // holds the table's lock over both and flushes the translation.
  uint64_t modify_prot_start(uint64_t at) { return core_.machine.load(at); }
  void modify_prot_commit(uint64_t at, uint64_t value) {
    core_.calls.batch();
    queue_update(at, value, abi::kPtUpdatePreserveAd);
    core_.calls.issue(lazy_mode::mmu);
  }

  // A page filled for use as a table, before it is linked; and after it was unlinked.
  void alloc_table_init(pfn_t pfn, pt_level level) {
    core_.remap_now(pfn, kKernelReadOnly);
    if (level == PT_PTE) core_.mmuext_now(abi::kPinL1Table, core_.p2m.frame_of(pfn));
  }
  void release_table_init(pfn_t pfn, pt_level level) {
    if (level == PT_PTE) core_.mmuext_now(abi::kUnpinTable, core_.p2m.frame_of(pfn));
    core_.remap_now(pfn, kKernelReadWrite);
  }
  // Under a pinned L4 the page becomes read-only, and an L1 is pinned too, so that it can be
  // changed while nothing refers to it.
  void alloc_table(pfn_t pgd, pfn_t pfn, pt_level level) {
    if (!core_.pinned(pgd) || core_.machine.page(pfn).pinned) return;
    guest_page& page = core_.machine.page(pfn);
    page.pinned = true;
    core_.calls.batch();
    core_.queue_readonly(pfn, abi::kUvmfNone);
    if (level == PT_PTE) {
      core_.calls.queue_mmuext(abi::kPinL1Table, core_.p2m.frame_of(pfn).raw());
      page.xen_pinned = true;
    }
    core_.calls.issue(lazy_mode::mmu);
  }
  // Never put off: the page goes back to the allocator next, and whoever gets it will write to it.
  void release_table(pfn_t pfn) {
    guest_page& page = core_.machine.page(pfn);
    if (!page.pinned) return;
    core_.calls.batch();
    if (page.xen_pinned) core_.calls.queue_mmuext(abi::kUnpinTable, core_.p2m.frame_of(pfn).raw());
    core_.queue_readwrite(pfn, abi::kUvmfNone);
    core_.calls.issue(lazy_mode::none);
    page.xen_pinned = false;
    page.pinned = false;
  }

  // A new L4, not pinned: the kernel's half is that of the kernel's own L4, the other is empty, and
  // so is the L4 for user mode that comes with it. False if memory ran out.
  [[nodiscard]] bool pgd_alloc(pfn_t pgd) {
    pfn_t user;
    if (!core_.machine.alloc_page(user)) return false;
    fill_page(core_.machine, core_.machine.va_of(user), 0);
    const uint64_t to = core_.machine.va_of(pgd), from = core_.machine.va_of(core_.init_pgd);
    fill_page(core_.machine, to, 0);
    core_.machine.lock_pgds();
    for (uint64_t slot = kXenL4Last + 1; slot < kEntriesPerTable; ++slot)
      core_.machine.store(to + 8 * slot, core_.machine.load(from + 8 * slot));
    guest_page& page = core_.machine.page(pgd);
    page.user_pgd = user.raw();
    page.next_pgd = core_.first_pgd;
    page.listed = true;
    core_.first_pgd = pgd.raw();
    core_.machine.unlock_pgds();
    return true;
  }
  // The page itself is the caller's. It has to be unpinned.
  void pgd_free(pfn_t pgd) {
    guest_page& page = core_.machine.page(pgd);
    if (page.pinned || !page.listed) core_.machine.bug("L4 freed while pinned, or freed twice");
    core_.machine.lock_pgds();
    uint64_t* link = &core_.first_pgd;
    while (*link != pgd.raw()) link = &core_.machine.page(pfn_t(*link)).next_pgd;
    *link = page.next_pgd;
    core_.machine.unlock_pgds();
    core_.machine.free_page(pfn_t(page.user_pgd));
    page = guest_page{};
  }

  // The early form leaves user mode without page tables.
  void write_cr3_init(pfn_t pgd) { load_base(pgd, false); }
  void write_cr3(pfn_t pgd) { load_base(pgd, true); }
  // What this vCPU was told to load, which may still wait in a batch.
  pfn_t read_cr3() const { return pfn_t(bases_[core_.machine.this_cpu()].told); }
  // What a vCPU runs on for certain: the only thing to look at from another one.
  pfn_t current_cr3(unsigned cpu) const { return pfn_t(bases_[cpu].loaded); }
  // What a vCPU starts on.
  void set_boot_cr3(unsigned cpu, pfn_t pgd) { bases_[cpu].told = bases_[cpu].loaded = pgd.raw(); }

  void flush_tlb() { flush(abi::kTlbFlushLocal, 0); }
  void flush_tlb_one(uint64_t va) { flush(abi::kInvlpgLocal, va); }
  void flush_tlb_all() { flush(abi::kTlbFlushAll, 0); }
  void flush_tlb_one_all(uint64_t va) { flush(abi::kInvlpgAll, va); }

  // Everything remembered from one call to the next, member by member: visit(member).
  template <typename Visitor>
  void visit_state(Visitor& visit) {
    visit(early_table_va_), visit(bases_);
  }

 private:
  struct base {
    uint64_t told = kNoPage;
    uint64_t loaded = kNoPage;
  };

  // What a guest without devices may not ask Xen for, and what is Xen's to decide.
  uint64_t supported(uint64_t flags) const {
    if ((flags & kPtePresent) == 0) return flags;
    return flags & ~(kPteGlobal | (core_.devices ? 0 : kPtePwt | kPtePcd | kPtePat));
  }

  void queue_update(uint64_t at, uint64_t value, uint64_t how) {
    core_.calls.queue_mmu_update(core_.machine_address_of(at) | how, value);
  }
  void update_in_batch(uint64_t at, uint64_t value) {
    core_.calls.batch();
    queue_update(at, value, abi::kNormalPtUpdate);
    core_.calls.issue(lazy_mode::mmu);
  }

  void load_base(pfn_t pgd, bool user_too) {
    core_.calls.batch();
    bases_[core_.machine.this_cpu()].told = pgd.raw();
    core_.calls.queue_mmuext(abi::kNewBaseptr, core_.p2m.frame_of(pgd).raw());
    if (user_too) {
      const uint64_t user = core_.struct_pages ? core_.machine.page(pgd).user_pgd : kNoPage;
      core_.calls.queue_mmuext(abi::kNewUserBaseptr,
                               user == kNoPage ? 0 : core_.p2m.frame_of(pfn_t(user)).raw());
    }
    core_.calls.queue_callback(base_loaded, this, pgd.raw());
    core_.calls.issue(lazy_mode::cpu);
  }
  static void base_loaded(void* self, uint64_t pgd) {
    mmu& m = *static_cast<mmu*>(self);
    m.bases_[m.core_.machine.this_cpu()].loaded = pgd;
  }

  void flush(uint32_t cmd, uint64_t va) {
    core_.calls.batch();
    core_.calls.queue_mmuext(cmd, va);
    core_.calls.issue(lazy_mode::mmu);
  }

  guest_core<Machine>& core_;
  uint64_t early_table_va_ = 0;
  base bases_[Machine::kMaxCpus];
};

}  // namespace ferry
