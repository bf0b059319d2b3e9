// One vCPU changes an entry, another one writes.
//
//   vCPU 0, in the kernel                      vCPU 1, in user mode
//   entry clean, all translations flushed
//   reads the entry                            writes now and then: the CPU sets the dirty bit,
//   writes it back with another flag             unless it remembers having done so
//   has something been written, and is the
//   entry not dirty?  Then the bit is lost.
#include "kernel/race.h"

#include "canonicalize/pte.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/events.h"
#include "kernel/memory.h"
#include "kernel/process.h"
#include "kernel/smp.h"

extern "C" {
extern const char user_text[], user_count[];
}

namespace ferry::kernel {
namespace {

constexpr uint64_t kFlag = uint64_t{1} << 9;  // of the kernel's own in an entry

Process writer;
pfn_t counted_page;

[[noreturn]] void write_for_ever() {
  trap_frame registers{};
  registers.rip = kUserText + static_cast<uint64_t>(user_count - user_text);
  registers.cs = kCodeSelector;
  registers.ss = kStackSelector;
  registers.rflags = kEventsEnabled;
  registers.rdi = address_of_page(0);
  lock_kernel();
  load(writer);
  unlock_kernel();
  do {
    registers = *run_user(&registers);
    handle_events();
  } while (registers.vector == kEvent);
  if (registers.vector != kSystemCall) complain("the writer met trap ", registers.vector);
  for (;;) wait_for_event();
}

uint64_t counter() {
  return reinterpret_cast<const volatile uint64_t*>(va_of(counted_page))[0];
}

// Clean, and known to be so everywhere. What the counter was after that.
uint64_t clean(pte_t* entry) {
  pv_mmu_ops* ops = xen_mmu_ops();
  const uint64_t flags = kPtePresent | kPteRw | kPteUser | kPteNx;
  ops->set_pte(entry, ops->make_pte(counted_page.raw() << kPageShift | flags));
  ops->flush_tlb_all();
  return counter();
}

void change(pte_t* entry, bool modify_prot) {
  pv_mmu_ops* ops = xen_mmu_ops();
  if (modify_prot) {
    const pte_t old = ops->ptep_modify_prot_start(nullptr, address_of_page(0), entry);
    ops->ptep_modify_prot_commit(nullptr, address_of_page(0), entry, pte_t{old.pte ^ kFlag});
  } else {
    const uint64_t old = *reinterpret_cast<const volatile uint64_t*>(entry);
    ops->set_pte(entry, pte_t{old ^ kFlag});
  }
}

void race(uint64_t rounds, bool modify_prot) {
  pte_t* const entry = pte_of(writer, 0);
  uint64_t dirtied = 0, lost = 0, before = clean(entry);
  for (uint64_t n = 0; n < rounds; ++n) {
    change(entry, modify_prot);
    // In this order: whoever sees the write sees the bit, if it is there.
    const bool written = counter() != before;
    const bool dirty = (entry_of(writer, 0) & kPteDirty) != 0;
    dirtied += dirty;
    lost += written && !dirty;
    if (dirty || written) before = clean(entry);
  }
  say("race by ", modify_prot ? "modify_prot" : "read and write", ": changes ", rounds, ", dirty ",
      dirtied, ", lost ", lost);
}

}  // namespace

void run_race(uint64_t rounds) {
  lock_kernel();
  set_up_user_text();
  if (!create(writer) || !alloc_page(PageUse::user, counted_page)) bug("no memory for the race");
  __builtin_memset(reinterpret_cast<void*>(va_of(counted_page)), 0, kPageSize);
  writer.pages[0] = {.state = Mapping::present, .writable = true, .pfn = counted_page.raw()};
  if (!map(writer, 0)) bug("no memory for the race");
  unlock_kernel();
  bring_up(1, write_for_ever);
  while (counter() == 0) asm volatile("pause");
  race(rounds, true);
  race(rounds, false);
}

}  // namespace ferry::kernel
