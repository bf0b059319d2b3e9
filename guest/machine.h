// What the guest half needs of the machine and the kernel around it: its one policy type.
// Freestanding-clean.
//
// A kernel writes one class with these functions; over a simulated machine the same functions walk
// simulated page tables and enter a simulated Xen. Nothing else is called, and nothing is allocated
// but through alloc_page().
#pragma once

#include <stdint.h>

#include "p2m/kernel_memory.h"

namespace ferry {

inline constexpr uint64_t kNoPage = ~uint64_t{0};

// What the guest half remembers of each page: a part of the kernel's struct page. All zero at
// first.
struct guest_page {
  // A page table that Xen checks: mapped read-only, changed by hypercall.
  bool pinned = false;
  // We asked Xen to pin the page itself, so it has to be unpinned.
  bool xen_pinned = false;
  // Pinned only for a suspend.
  bool save_pinned = false;
  // Of an L4: it is on the list of all L4s.
  bool listed = false;
  uint64_t user_pgd = kNoPage;  // the L4 for user mode that goes with it
  uint64_t next_pgd = kNoPage;  // on that list
};

template <typename M>
concept guest_machine = kernel_memory<M> &&
    requires(M& m, uint64_t n, unsigned cpu, pfn_t pfn, int64_t result) {
  // How many vCPUs there can be.
  sizeof(char[M::kMaxCpus]);
  // Enters Xen. Structures are passed by their address in this kernel. The result as Xen gives
  // it, below 0 for an error.
  result = m.hypercall(cpu, n, n, n, n, n);
  static_cast<bool>(m.in_direct_map(n));
  // One byte, for what Xen writes the neighbours of.
  m.store_byte(n, static_cast<uint8_t>(n));
  // What the kernel keeps for each page of its memory. Until it says after_bootmem() one record
  // for all pages will do.
  m.page(pfn).pinned = true;
  cpu = m.this_cpu();
  static_cast<bool>(m.cpu_online(cpu));
  // Event delivery to this vCPU off, and back to what irq_save() gave.
  n = m.irq_save();
  m.irq_restore(n);
  static_cast<bool>(m.irqs_masked());
  // The lock of one page of page-table entries (a split page-table lock). Several are held at
  // a time, with interrupts off.
  m.lock_table(pfn);
  m.unlock_table(pfn);
  // The lock of the list of all L4s. Not taken with a table's lock held.
  m.lock_pgds();
  m.unlock_pgds();
  // Runs function(argument) on another vCPU, with its interrupts off, and waits.
  m.call_on(cpu, static_cast<void (*)(void*)>(nullptr), static_cast<void*>(nullptr));
  // Something that should not be, with which the guest can go on.
  m.warn("sentence");
};

}  // namespace ferry
