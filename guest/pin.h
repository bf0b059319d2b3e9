// Pinning address spaces, so that Xen keeps them checked and knows them as page tables.
// Freestanding-clean.
//
// A guest's page table travels to another host only if Xen says that it is one, and Xen says so of
// what is pinned. A table that is pinned must not be writable anywhere, so
//
//   to pin:    every page read-only, each L1 pinned as soon as it is, then the L4s
//   to unpin:  the L4s first, then each L1 unpinned and every page writable
//
// Between read-only and pinned a store to an L1 faults, so its lock is held until the batch that
// does both was made.
#pragma once

#include <stdint.h>

#include "canonicalize/pte.h"
#include "guest/abi.h"
#include "guest/core.h"
#include "guest/mmu.h"

namespace ferry {

template <guest_machine Machine>
class pinning {
 public:
  pinning(guest_core<Machine>& core, mmu<Machine>& tables) : core_(core), tables_(tables) {}

  // An L4 with all below it that belongs to user mode, and the user's L4.
  void pin(pfn_t pgd) {
    core_.calls.batch();
    walk(pgd, 0, kUserSlots, [this](pfn_t pfn, pt_level level) { pin_page(pfn, level); });
    queue_pin_l4(pgd);
    const uint64_t user = core_.machine.page(pgd).user_pgd;
    if (user != kNoPage) {
      pin_page(pfn_t(user), PT_PGD);
      queue_pin_l4(pfn_t(user));
    }
    core_.calls.issue(lazy_mode::none);
  }

  void unpin(pfn_t pgd) {
    core_.calls.batch();
    queue_unpin(pgd);
    const uint64_t user = core_.machine.page(pgd).user_pgd;
    if (user != kNoPage) {
      queue_unpin(pfn_t(user));
      unpin_page(pfn_t(user), PT_PGD);
    }
    walk(pgd, 0, kUserSlots, [this](pfn_t pfn, pt_level level) { unpin_page(pfn, level); });
    core_.calls.issue(lazy_mode::none);
  }

  // Before a suspend: what is not pinned, pinned for its duration. Works from the list of all L4s,
  // so one that no process has yet or has any more is not forgotten.
  void pin_all() {
    core_.machine.lock_pgds();
    for_each_pgd([this](pfn_t pgd) {
      if (core_.machine.page(pgd).pinned) return;
      pin(pgd);
      core_.machine.page(pgd).save_pinned = true;
    });
    core_.machine.unlock_pgds();
  }
  void unpin_all() {
    core_.machine.lock_pgds();
    for_each_pgd([this](pfn_t pgd) {
      if (!core_.machine.page(pgd).save_pinned) return;
      if (!core_.machine.page(pgd).pinned) core_.machine.bug("L4 was unpinned during a suspend");
      core_.machine.page(pgd).save_pinned = false;
      unpin(pgd);
    });
    core_.machine.unlock_pgds();
  }

  // The last process of an address space is gone: no vCPU may be left on it, and it is unpinned if
  // it was ever pinned.
  void exit_mmap(pfn_t pgd) {
    leaving on{this, pgd};
    leave(&on);
    for (unsigned cpu = 0; cpu < Machine::kMaxCpus; ++cpu)
      if (cpu != core_.machine.this_cpu() && core_.machine.cpu_online(cpu) &&
          tables_.current_cr3(cpu) == pgd)
        core_.machine.call_on(cpu, leave, &on);
    if (core_.machine.page(pgd).pinned) unpin(pgd);
  }

  // The kernel's own tables were made before pages were recorded. They stay pinned for ever.
  void mark_kernel_tables() {
    const auto mark = [this](pfn_t pfn, pt_level) { core_.machine.page(pfn).pinned = true; };
    walk(core_.init_pgd, 0, kUserSlots, mark);
    walk(core_.init_pgd, kXenL4Last + 1, kEntriesPerTable, mark);
  }

 private:
  struct leaving {
    pinning* self;
    pfn_t pgd;
  };

  // Calls function(pfn, level) for each table under some slots of an L4, upper ones first, and for
  // the L4 itself at the end. The user's half and the kernel's may share nothing.
  template <typename Function>
  void walk(pfn_t pgd, unsigned first, unsigned end, const Function& function) {
    walk_table(pgd, PT_PGD, first, end, function);
    function(pgd, PT_PGD);
  }
  template <typename Function>
  void walk_table(pfn_t table, pt_level level, unsigned first, unsigned end,
                  const Function& function) {
    const pt_level below = static_cast<pt_level>(level + 1);
    for (unsigned i = first; i < end; ++i) {
      const uint64_t e = core_.machine.load(core_.machine.va_of(table) + 8 * i);
      if ((e & kPtePresent) == 0) continue;
      if ((e & kPtePse) != 0) core_.machine.bug("superpage in a guest's page tables");
      const pfn_t pfn = core_.pfn_behind(e);
      function(pfn, below);
      if (below != PT_PTE) walk_table(pfn, below, 0, kEntriesPerTable, function);
    }
  }

  template <typename Function>
  void for_each_pgd(const Function& function) {
    for (uint64_t pgd = core_.first_pgd; pgd != kNoPage;
         pgd = core_.machine.page(pfn_t(pgd)).next_pgd)
      function(pfn_t(pgd));
  }

  void pin_page(pfn_t pfn, pt_level level) {
    guest_page& page = core_.machine.page(pfn);
    if (page.pinned) return;
    page.pinned = true;
    if (level != PT_PTE) {
      core_.queue_readonly(pfn, level == PT_PGD ? abi::kUvmfTlbFlush : abi::kUvmfNone);
      return;
    }
    core_.machine.lock_table(pfn);
    core_.queue_readonly(pfn, abi::kUvmfNone);
    core_.calls.queue_mmuext(abi::kPinL1Table, core_.p2m.frame_of(pfn).raw());
    page.xen_pinned = true;
    core_.calls.queue_callback(unlock, this, pfn.raw());
  }

  void unpin_page(pfn_t pfn, pt_level level) {
    guest_page& page = core_.machine.page(pfn);
    if (!page.pinned) return;
    if (level == PT_PTE) {
      core_.machine.lock_table(pfn);
      if (page.xen_pinned) queue_unpin(pfn);
    }
    core_.queue_readwrite(pfn, level == PT_PGD ? abi::kUvmfTlbFlush : abi::kUvmfNone);
    page.pinned = false;
    if (level == PT_PTE) core_.calls.queue_callback(unlock, this, pfn.raw());
  }

  void queue_pin_l4(pfn_t pfn) {
    core_.calls.queue_mmuext(abi::kPinL1Table + xen_level_of(PT_PGD) - 1,
                             core_.p2m.frame_of(pfn).raw());
    core_.machine.page(pfn).xen_pinned = true;
  }
  void queue_unpin(pfn_t pfn) {
    core_.calls.queue_mmuext(abi::kUnpinTable, core_.p2m.frame_of(pfn).raw());
    core_.machine.page(pfn).xen_pinned = false;
  }

  static void unlock(void* self, uint64_t pfn) {
    static_cast<pinning*>(self)->core_.machine.unlock_table(pfn_t(pfn));
  }

  // On each vCPU: a switch away from the address space may still wait in a batch, and a vCPU that
  // only borrowed it goes to the kernel's own.
  static void leave(void* argument) {
    const leaving& on = *static_cast<leaving*>(argument);
    guest_core<Machine>& core = on.self->core_;
    mmu<Machine>& tables = on.self->tables_;
    if (tables.read_cr3() == on.pgd) tables.write_cr3(core.init_pgd);
    if (tables.current_cr3(core.machine.this_cpu()) == on.pgd) core.calls.flush();
  }

  guest_core<Machine>& core_;
  mmu<Machine>& tables_;
};

}  // namespace ferry
