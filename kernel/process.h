// A process: its address space, kept through the guest half's operations (guest/xen_guest.h), what
// that should look like, and what the process is about to do.
#pragma once

#include <stdint.h>

#include "guest/xen_guest.h"
#include "kernel/trap.h"
#include "p2m/frames.h"

namespace ferry::kernel {

// What the kernel decided for a page of a process; the page tables have to agree.
struct Mapping {
  enum : uint8_t {
    none,     // to touch it is a fault
    lazy,     // gets a page of zeros when it is touched
    present,  // is there
    hidden,   // keeps its page, but to touch it is a fault
  } state = none;
  bool writable = false;  // may be written by the process
  bool cow = false;       // but not before it has a copy of its own
  bool written = false;   // was, so the entry has to be dirty
  uint64_t pfn = 0;

  bool has_page() const { return state == present || state == hidden; }
};

struct Process {
  static constexpr unsigned kPages = 64;

  bool used = false;
  bool running = false;  // on some vCPU: nobody else touches it
  uint32_t pid = 0;
  uint32_t stale = 0;  // vCPUs whose translations of it are old: a bit for each
  pfn_t pgd;
  trap_frame registers{};
  Mapping pages[kPages];

  // What it does: touches a page, which shall hold old_content and, if it writes, will hold
  // new_content.
  bool touching = false, writing = false;
  unsigned page = 0;
  uint64_t old_content = 0, new_content = 0;

  mm_struct mm() const;
  bool pinned() const;
};

inline constexpr uint64_t kUserText = 0x10000;  // where each process sees user.S
// Where a process sees its pages: in four places, so that it needs tables of every level.
uint64_t address_of_page(unsigned page);

void set_up_user_text();

// An empty address space but for the text. False if there is no memory.
[[nodiscard]] bool create(Process& p);
// Gives back all page tables; pages have to be unmapped before or after by the caller.
void destroy(Process& p);
// Loads it on this vCPU, if it is not, or if what the CPU remembers of it is old.
void load(Process& p);

// Sets the entry of a page from p.pages[page]. False if there is no memory for page tables: nothing
// is mapped then.
[[nodiscard]] bool map(Process& p, unsigned page);
// The same for what is mapped already: with another page, or as mprotect does it, so that accessed
// and dirty bits that the CPU sets meanwhile survive.
void remap(Process& p, unsigned page);
void protect(Process& p, unsigned page);
void unmap(Process& p, unsigned page);
// Takes away the L1 table behind a page, all of whose pages are unmapped.
void drop_l1(Process& p, unsigned page);
// Where the entry of a page that is or was mapped is; and the entry, as the CPU has it; 0 if there
// is no table.
pte_t* pte_of(const Process& p, unsigned page);
uint64_t entry_of(const Process& p, unsigned page);

// Complains about what is not as was decided; looks without the guest half's help.
void check_tables(const Process& p);

// Pages that fell out of use while a hypercall may still wait go to the allocator only later.
void free_later(pfn_t pfn);
void free_now();

}  // namespace ferry::kernel
