/* A piece of kernel in C on top of guest/xen_guest.h, for the test of its entry points. */
#pragma once

#include "guest/xen_guest.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where pages come from: a page's pfn, zeroed, and its address; and memory at one. */
struct c_pages {
  unsigned long (*alloc)(void);
  void* (*address)(unsigned long pfn);
  unsigned long (*load)(const void* address);
  void (*store)(void* address, unsigned long value);
};

/* From the builder's pages to operations in their late form. 0, or a negative error. */
int c_boot(const struct xen_boot_info* info);

/* Sets up so many vCPUs, whose vcpu_infos are in that page, with a timer and an IPI each: their
 * handles. 0, or a negative error. */
int c_set_up_vcpus(const struct c_pages* pages, unsigned int vcpus, unsigned long page, int* timers,
                   int* ipis);

/* Lets another domain map a page of ours by that entry of the grant table. */
void c_grant(const struct c_pages* pages, const struct xen_boot_info* info, unsigned int entry,
             unsigned int domain, unsigned long pfn);

/* A page goes to Xen and another frame comes in its place. False if either was refused. */
bool c_exchange(unsigned long pfn);

/* Switches to an address space, from a task in lazy MMU mode to one that was in none. */
void c_switch_to(unsigned long cr3);

/* Maps a page in an address space, making tables as needed. The address of its entry. */
pte_t* c_map(const struct c_pages* pages, struct mm_struct* mm, unsigned long va, unsigned long pfn,
             unsigned long flags);

/* Makes it read-only, keeping accessed and dirty. The value it had. */
unsigned long c_write_protect(pte_t* ptep);

#ifdef __cplusplus
}
#endif
