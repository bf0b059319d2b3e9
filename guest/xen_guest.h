/* The guest half for a kernel: the names and meanings of Linux's PV code, for C and C++.
 *
 * Every function works on the current guest, which whoever builds the guest half into a kernel
 * defines (guest/entry_points.inc): a kernel has one; over simulated machines it is the guest whose
 * vCPU runs. Pointers to page-table entries are the kernel's addresses of them and are not
 * dereferenced here. Frame numbers are unsigned long, as in Linux; inside, they are distinct types.
 *
 * The names are hidden from other objects: libxenguest exports an mfn_to_pfn of its own, and
 * neither may take the place of the other. */
#pragma once

#include <stdbool.h>

#include "canonicalize/pt_level.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Define FERRY_GUEST_KERNEL_TYPES where a kernel has these itself, of the same sizes. */
#ifndef FERRY_GUEST_KERNEL_TYPES
typedef struct {
  unsigned long pte;
} pte_t;
typedef struct {
  unsigned long pmd;
} pmd_t;
typedef struct {
  unsigned long pud;
} pud_t;
typedef struct {
  unsigned long p4d;
} p4d_t;
typedef struct {
  unsigned long pgd;
} pgd_t;
typedef struct {
  unsigned long pgprot;
} pgprot_t;
struct mm_struct {
  pgd_t* pgd;
};
struct vm_area_struct;
#endif

/* -- boot -- */

/* What the kernel knows when it starts, and what it decides. Addresses are the kernel's. */
struct xen_boot_info {
  unsigned long start_info_pfn; /* the builder's page */
  unsigned long init_pgd_pfn;   /* the builder's L4, loaded now */
  unsigned long mfn_list;       /* the builder's p2m, in the direct map */
  bool linear_p2m;              /* a list, not a tree: */
  unsigned long p2m_area;       /* where it is to live, */
  unsigned long p2m_area_pfns;  /* with room for so many pfns */
  unsigned long shared_info;    /* page tables are there, nothing is mapped */
  unsigned long dummy;          /* a page to stand in for shared_info */
  unsigned long grant_table;    /* page tables are there, nothing is mapped, */
  unsigned int grant_frames;    /* for so many frames of it */
  bool devices;                 /* has devices of its own */
};

#pragma GCC visibility push(hidden)

/* First of all, on vCPU 0, and before xen_init_mmu_ops(): the p2m can be read afterwards, and
 * shared_info is mapped, with all event channels masked. 0, or -EINVAL if the builder's pages make
 * no sense. */
int xen_boot(const struct xen_boot_info* info);
/* After pagetable_init(): so many pages at mfn_list are free, because the p2m lives elsewhere. */
unsigned long xen_boot_p2m_pages(void);
/* The L1 table, by its address, whose entries set_pte writes by hypercall from the start: others it
 * stores to at first, which Xen emulates. */
void xen_set_early_pte_table(unsigned long vaddr);

#pragma GCC visibility pop

/* -- phys to machine -- */

#define INVALID_P2M_ENTRY (~0UL)
#define FOREIGN_FRAME_BIT (1UL << 63)
#define IDENTITY_FRAME_BIT (1UL << 62)
#define FOREIGN_FRAME(m) ((m) | FOREIGN_FRAME_BIT)
#define IDENTITY_FRAME(m) ((m) | IDENTITY_FRAME_BIT)

#pragma GCC visibility push(hidden)

/* Stores one entry without allocating: false exactly when a leaf must be allocated first. */
bool __set_phys_to_machine(unsigned long pfn, unsigned long mfn);
/* Allocates the leaf if it must; false if there is no memory, or no room for the pfn. */
bool set_phys_to_machine(unsigned long pfn, unsigned long mfn);
/* The entry with its marks. */
unsigned long get_phys_to_machine(unsigned long pfn);
/* The frame without marks; ~0 if there is none. */
unsigned long pfn_to_mfn(unsigned long pfn);
/* Checked by the round trip: ~0 for every frame that is not the guest's. */
unsigned long mfn_to_pfn(unsigned long mfn);
/* Pfns first to end - 1 map one to one; how many could be marked. */
unsigned long set_phys_range_identity(unsigned long first, unsigned long end);

/* -- page tables -- */

/* Installs a machine frame, in spite of the parameter's name, at a kernel address; (0, no flags)
 * clears. Flushes this vCPU's translation only. */
void set_pte_mfn(unsigned long vaddr, unsigned long pfn, pgprot_t flags);

pte_t xen_ptep_modify_prot_start(struct vm_area_struct* vma, unsigned long addr, pte_t* ptep);
void xen_ptep_modify_prot_commit(struct vm_area_struct* vma, unsigned long addr, pte_t* ptep,
                                 pte_t pte);

/* The fault address. direct only once all vcpu_infos are placed: xen_mmu_ops()->read_cr2 is the one
 * to use at any time. */
unsigned long xen_read_cr2(void);
unsigned long xen_read_cr2_direct(void);
void xen_write_cr2(unsigned long cr2);

#pragma GCC visibility pop

/* What a kernel calls for its page tables. Values are as the CPU sees them; make_* and *_val go
 * between them and the guest's own frame numbers. */
struct pv_mmu_ops {
  unsigned long (*read_cr2)(void);
  void (*write_cr2)(unsigned long cr2);
  unsigned long (*read_cr3)(void);
  void (*write_cr3)(unsigned long cr3);

  int (*pgd_alloc)(struct mm_struct* mm);
  void (*pgd_free)(struct mm_struct* mm, pgd_t* pgd);
  void (*enter_mmap)(struct mm_struct* mm);
  void (*exit_mmap)(struct mm_struct* mm);
  void (*alloc_pte)(struct mm_struct* mm, unsigned long pfn);
  void (*alloc_pmd)(struct mm_struct* mm, unsigned long pfn);
  void (*alloc_pud)(struct mm_struct* mm, unsigned long pfn);
  void (*release_pte)(unsigned long pfn);
  void (*release_pmd)(unsigned long pfn);
  void (*release_pud)(unsigned long pfn);

  void (*set_pte)(pte_t* ptep, pte_t pte);
  void (*set_pmd)(pmd_t* pmdp, pmd_t pmd);
  void (*set_pud)(pud_t* pudp, pud_t pud);
  void (*set_p4d)(p4d_t* p4dp, p4d_t p4d);
  pte_t (*ptep_modify_prot_start)(struct vm_area_struct* vma, unsigned long addr, pte_t* ptep);
  void (*ptep_modify_prot_commit)(struct vm_area_struct* vma, unsigned long addr, pte_t* ptep,
                                  pte_t pte);

  unsigned long (*pte_val)(pte_t pte);
  unsigned long (*pmd_val)(pmd_t pmd);
  unsigned long (*pud_val)(pud_t pud);
  unsigned long (*p4d_val)(p4d_t p4d);
  unsigned long (*pgd_val)(pgd_t pgd);
  pte_t (*make_pte)(unsigned long pte);
  pmd_t (*make_pmd)(unsigned long pmd);
  pud_t (*make_pud)(unsigned long pud);
  p4d_t (*make_p4d)(unsigned long p4d);
  pgd_t (*make_pgd)(unsigned long pgd);

  void (*flush_tlb_user)(void);
  void (*flush_tlb_one_user)(unsigned long addr);
  void (*flush_tlb_all)(void);
  void (*flush_tlb_one_all)(unsigned long addr);

  /* Between enter and leave, writes may wait; flush makes those that do. */
  struct {
    void (*enter)(void);
    void (*leave)(void);
    void (*flush)(void);
  } lazy_mmu;
  /* Around a context switch, on the vCPU that switches. The first says whether the task that goes
   * was in lazy MMU mode, which ends here; the kernel remembers it with the task, and hands it to
   * the second when that task comes back. */
  bool (*start_context_switch)(void);
  void (*end_context_switch)(bool lazy_mmu);

  /* For the kernel to call during its boot: with an allocator, and with a record of every page.
   * Both go over to the late forms of the operations above as far as they then can. */
  int (*pagetable_init)(void);
  void (*after_bootmem)(void);

  /* HVM only: for reading a crashed kernel. 1 RAM, 0 not, or a negative error. */
  int (*oldmem_pfn_is_ram)(unsigned long pfn);
};

#pragma GCC visibility push(hidden)

struct pv_mmu_ops* xen_mmu_ops(void);

/* Installs the operations, in their early forms. */
void xen_init_mmu_ops(void);
/* Installs what a guest with hardware-assisted paging needs of them. */
void xen_hvm_init_mmu_ops(void);

/* Pins an address space, or undoes it. */
void xen_pgd_pin(struct mm_struct* mm);
void xen_pgd_unpin(struct mm_struct* mm);
/* Every L4 there is, for the duration of a suspend. */
void xen_mm_pin_all(void);
void xen_mm_unpin_all(void);

/* -- vCPUs -- */

/* Registers a vCPU's vcpu_info and, unless 0, runstate, for itself or before it comes up. 0, or
 * -EINVAL if the vcpu_info is not aligned to 64 bytes. */
int xen_vcpu_setup(unsigned int cpu, unsigned long vcpu_info, unsigned long runstate);
/* Once that was done for every vCPU there can be. From now on cr2 is read directly, as long as all
 * their vcpu_infos are placed. */
void xen_setup_vcpu_info_placement(void);

/* -- event channels -- */

/* A handle, whose port can change with a suspend; -1 if Xen refuses or there are too many. Unmasked
 * at once. */
int xen_bind_virq(unsigned int virq, unsigned int cpu);
int xen_bind_ipi(unsigned int cpu);
unsigned int xen_port_of(int handle);
void xen_mask_all_ports(void);
void xen_unmask_port(unsigned int port);

/* -- memory -- */

/* Gives the frame of a page that nothing but the direct map maps back to Xen, and takes one again
 * for a pfn without. False if Xen does not want to: then everything is as before. */
bool xen_balloon_out(unsigned long pfn);
bool xen_balloon_in(unsigned long pfn);
/* A frame of another domain, mapped by a grant, at a pfn that has none of its own; and away again,
 * before the grant is unmapped. False if the pfn is not so, or memory ran out. */
bool xen_set_foreign_frame(unsigned long pfn, unsigned long mfn);
bool xen_clear_foreign_frame(unsigned long pfn);

#pragma GCC visibility pop

/* -- suspend -- */

/* The kernel's own part; guest/suspend.h says what each does. */
struct xen_suspend_hooks {
  int (*freeze)(void);
  void (*thaw)(void);
  int (*suspend_devices)(void);
  void (*resume_devices)(int cancelled);
  void (*suspend_store)(void);
  void (*resume_store)(int cancelled, unsigned int port);
  void (*resume_console)(unsigned int port);
  void (*stop_machine)(void (*function)(void*), void* argument);
};

#pragma GCC visibility push(hidden)

/* 0 in a new domain, 1 if cancelled, a negative error if it did not come so far. */
int xen_do_suspend(const struct xen_suspend_hooks* hooks);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
