// What the guest's own p2m code needs of the kernel around it. Freestanding-clean.
//
// A kernel reaches its memory through linear addresses ("va"): in a real kernel these functions are
// plain loads and stores, over a simulated machine they walk the simulated page tables. All
// accesses are of 8 aligned bytes and single-copy atomic.
#pragma once

#include <stdint.h>

#include "p2m/frames.h"

namespace ferry {

template <typename M>
concept kernel_memory = requires(M& m, uint64_t va, uint64_t value, pfn_t pfn) {
  value = m.load(va);
  m.store(va, value);
  // The same, but false instead of a fault. A store to a read-only mapping faults.
  static_cast<bool>(m.try_load(va, value));
  static_cast<bool>(m.try_store(va, value));
  // The direct map: every pfn of the guest's memory has an address, mapped read-write unless the
  // page is a page table.
  va = m.va_of(pfn);
  pfn = m.pfn_of(va);
  // A page from the kernel's allocator, contents undefined. False if there is none.
  static_cast<bool>(m.alloc_page(pfn));
  m.free_page(pfn);
  // One lock for changes to the shape of the p2m. Taken with interrupts off, never nested, never
  // held across alloc_page().
  m.lock_p2m();
  m.unlock_p2m();
  m.bug("sentence");  // does not return
};

// Makes everything stored before visible before anything stored after.
inline void store_barrier() {
  __atomic_thread_fence(__ATOMIC_RELEASE);
}

template <typename M>
void fill_page(M& m, uint64_t va, uint64_t value) {
  for (uint64_t i = 0; i < kPageSize; i += 8) m.store(va + i, value);
}

}  // namespace ferry
