/* A piece of kernel in C on top of guest/xen_guest.h, for the test of its entry points. */
#pragma once

#include "guest/xen_guest.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where tables of a process come from: a page's pfn, zeroed, and its address; and what is at one.
 */
struct c_pages {
  unsigned long (*alloc)(void);
  void* (*address)(unsigned long pfn);
  unsigned long (*load)(const void* address);
};

/* Maps a page in an address space, making tables as needed. The address of its entry. */
pte_t* c_map(const struct c_pages* pages, struct mm_struct* mm, unsigned long va, unsigned long pfn,
             unsigned long flags);

/* Makes it read-only, keeping accessed and dirty. The value it had. */
unsigned long c_write_protect(pte_t* ptep);

#ifdef __cplusplus
}
#endif
