// What the simulated kernel knows of each pfn: its struct page.
#pragma once

#include <cstdint>

#include "guest/machine.h"

namespace ferry::sim {

enum class PageUse : uint8_t {
  absent,    // no memory: never had any, or ballooned out
  free,      // the allocator's
  kernel,    // of the kernel or the guest half; contents are theirs
  gdt,       // descriptors, mapped read-only
  table,     // a page table of a process
  user,      // memory of processes
  buffer,    // memory of the kernel with contents that are known
  foreign,   // another domain's frame, mapped by a grant
  identity,  // maps one to one, no memory of ours
};

// Whether the contents are a function of PageRecord::content.
constexpr bool has_content(PageUse use) {
  return use == PageUse::user || use == PageUse::buffer;
}

struct PageRecord {
  guest_page guest;
  uint64_t content = 0;   // seed of the page's 4096 bytes; 0: all zero
  uint32_t mappings = 0;  // of a user page: processes that map it
  uint32_t handle = 0;    // of a foreign page: the grant mapping's
  PageUse use = PageUse::absent;
};

}  // namespace ferry::sim
