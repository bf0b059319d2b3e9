// The kernel's memory: the direct map, a record of every page, the allocator.
#pragma once

#include <stdint.h>

#include "guest/machine.h"
#include "kernel/lock.h"
#include "p2m/frames.h"

namespace ferry::kernel {

inline constexpr uint64_t kDirectMap = 0xffff880000000000;  // of pfn 0; kernel.lds says the same

enum class PageUse : uint8_t {
  absent,   // no memory: never had any, or ballooned out
  free,     // the allocator's
  kernel,   // the kernel's or the guest half's; contents are theirs
  table,    // a page table of a process
  user,     // memory of processes
  buffer,   // memory of the kernel with contents that are known
  granted,  // the same, and another domain may map it
};

// What the kernel knows of each pfn: its struct page.
struct PageRecord {
  guest_page guest;
  uint64_t content = 0;      // what a page of users or a buffer holds (content.h)
  uint64_t new_content = 0;  // what it will hold, its beginning already, while
  bool changing = false;     // a process writes to it
  PageUse use = PageUse::absent;
  spinlock locked;        // as a page table
  uint32_t mappings = 0;  // of a page of users: how many map it
  uint32_t counted = 0;   // the same, by a check
  uint64_t next = 0;      // on a list of pages: the next one
};

inline uint64_t va_of(pfn_t pfn) {
  return kDirectMap + (pfn.raw() << kPageShift);
}
inline pfn_t pfn_of(uint64_t va) {
  return pfn_t((va - kDirectMap) >> kPageShift);
}

// At first there are only the pages that the builder mapped and did not use, given out one after
// another.
void begin_memory(pfn_t first_free);
// Extends the direct map to all of the memory, and its page tables to all that it may ever have;
// with the guest half's operations in their early forms.
void map_memory(uint64_t nr_pages, uint64_t most_pages);
// Makes the records, and a real allocator of all that is free.
void make_records();

// How many pfns have an address in the direct map, and a record once there are records.
uint64_t memory_end();
PageRecord& record_of(pfn_t pfn);
// Before there are records, one for all.
guest_page& guest_record(pfn_t pfn);

// False if there is none. Contents are anything.
[[nodiscard]] bool alloc_page(PageUse use, pfn_t& pfn);
void free_page(pfn_t pfn);
uint64_t free_pages();

// How many pages have memory; and one that has it no more, or again.
uint64_t pages_of_memory();
void lose_page(pfn_t pfn);
void gain_page(pfn_t pfn);

}  // namespace ferry::kernel
