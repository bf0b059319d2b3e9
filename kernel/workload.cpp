// Processes at work.
#include "kernel/workload.h"

#include "canonicalize/pte.h"
#include "guest/xen_guest.h"
#include "kernel/buffers.h"
#include "kernel/console.h"
#include "kernel/content.h"
#include "kernel/cpu.h"
#include "kernel/grants.h"
#include "kernel/memory.h"

extern "C" {
extern const char user_text[], user_touch[];
}

namespace ferry::kernel {
namespace {

constexpr unsigned kMostProcesses = 12;
// Pages that stay free, so that page tables can still be made.
constexpr uint64_t kReserve = 128;

Process processes[kMostProcesses];
uint32_t next_pid = 1;
uint64_t random_state = 11;
unsigned turn;
WorkloadCounts counts;

uint64_t below(uint64_t limit) {
  return draw(random_state) % limit;
}
bool chance(unsigned percent) {
  return below(100) < percent;
}

volatile uint64_t* words_of(uint64_t pfn) {
  return reinterpret_cast<volatile uint64_t*>(va_of(pfn_t(pfn)));
}

Process* some(bool wanted) {
  const unsigned from = static_cast<unsigned>(below(kMostProcesses));
  for (unsigned i = 0; i < kMostProcesses; ++i) {
    Process& p = processes[(from + i) % kMostProcesses];
    if (p.used == wanted && !p.running) return &p;
  }
  return nullptr;
}

// -- pages --

// One process maps it less; the last one gives it back.
void drop_page(uint64_t pfn) {
  if (--record_of(pfn_t(pfn)).mappings == 0) free_later(pfn_t(pfn));
}

// A page of zeros, or one like another. False if there is no memory.
bool new_page(uint64_t& to, uint64_t from) {
  pfn_t pfn;
  if (free_pages() < kReserve || !alloc_page(PageUse::user, pfn)) return false;
  PageRecord& r = record_of(pfn);
  r.mappings = 1;
  r.content = from == 0 ? 0 : record_of(pfn_t(from)).content;
  for (unsigned i = 0; i < kWords; ++i) words_of(pfn.raw())[i] = from == 0 ? 0 : words_of(from)[i];
  to = pfn.raw();
  return true;
}

// What a process is writing to is partly new.
void set_changing(const Process& p, bool changing) {
  PageRecord& r = record_of(pfn_t(p.pages[p.page].pfn));
  r.changing = changing;
  r.new_content = p.new_content;
}

// -- faults --

enum class Outcome : uint8_t { again, refused };

Outcome give_copy(Process& p) {
  Mapping& m = p.pages[p.page];
  if (record_of(pfn_t(m.pfn)).mappings > 1) {
    uint64_t copy = 0;
    if (!new_page(copy, m.pfn)) return Outcome::refused;
    drop_page(m.pfn);
    m.pfn = copy;
    m.cow = false;
    remap(p, p.page);
    ++counts.copies;
  } else {
    m.cow = false;
    protect(p, p.page);
  }
  set_changing(p, true);
  return Outcome::again;
}

Outcome give_zeros(Process& p) {
  Mapping& m = p.pages[p.page];
  if (!new_page(m.pfn, 0)) return Outcome::refused;
  m.state = Mapping::present;
  if (!map(p, p.page)) {
    m.state = Mapping::lazy;
    drop_page(m.pfn);
    return Outcome::refused;
  }
  if (p.writing && m.writable) set_changing(p, true);
  ++counts.zeros;
  return Outcome::again;
}

// Nothing of what the process was about to do was done, or all.
Outcome handle_fault(Process& p, uint64_t fault) {
  const Mapping& m = p.pages[p.page];
  const bool write = (p.registers.error & kFaultWrite) != 0;
  const bool was_there = (p.registers.error & kFaultPresent) != 0;
  ++counts.faults;
  if (fault / kPageSize != address_of_page(p.page) / kPageSize) {
    complain("process ", p.pid, " faults at ", hex{fault}, ", not in page ", p.page);
    return Outcome::refused;
  }
  if (m.state == Mapping::lazy && !was_there) return give_zeros(p);
  if (m.state == Mapping::present && write && was_there && m.writable && m.cow) return give_copy(p);
  const bool as_it_should = m.state == Mapping::present ? write && !m.writable : true;
  if (!as_it_should)
    complain("process ", p.pid, " faults in page ", p.page, ", error ", hex{p.registers.error});
  ++counts.refusals;
  return Outcome::refused;
}

// -- what a process does --

void begin_touch(Process& p) {
  // Mostly one that is there.
  for (unsigned tries = 0; tries < 4; ++tries) {
    p.page = static_cast<unsigned>(below(Process::kPages));
    if (p.pages[p.page].state != Mapping::none) break;
  }
  const Mapping& m = p.pages[p.page];
  p.touching = true;
  p.writing = chance(50);
  p.old_content = m.has_page() ? record_of(pfn_t(m.pfn)).content : 0;
  p.new_content = chance(10) ? 0 : draw(random_state) | 1;
  if (p.writing && m.state == Mapping::present && m.writable && !m.cow) set_changing(p, true);
  const uint64_t factor = next_word(1) - next_word(0), summand = next_word(0);
  trap_frame& r = p.registers;
  r = trap_frame{};
  r.rip = kUserText + static_cast<uint64_t>(user_touch - user_text);
  r.cs = kCodeSelector;
  r.ss = kStackSelector;
  r.rflags = kEventsEnabled;
  r.rdi = address_of_page(p.page);
  r.rsi = first_word(p.old_content);
  r.rbp = p.old_content == 0 ? 0 : factor;
  r.r12 = p.old_content == 0 ? 0 : summand;
  r.rbx = p.writing;
  r.rdx = first_word(p.new_content);
  r.r13 = p.new_content == 0 ? 0 : factor;
  r.r14 = p.new_content == 0 ? 0 : summand;
}

// It reached the end: no word was wrong, and the CPU has noted it.
void end_touch(Process& p) {
  Mapping& m = p.pages[p.page];
  p.touching = false;
  ++counts.touches;
  if (p.registers.rax != kWords)
    complain("process ", p.pid, " reads in page ", p.page, " a wrong word ", p.registers.rax);
  if (m.state != Mapping::present || (p.writing && (!m.writable || m.cow)))
    return complain("process ", p.pid, " got at page ", p.page, ", which it may not");
  const uint64_t entry = entry_of(p, p.page);
  if ((entry & kPteAccessed) == 0 || (p.writing && (entry & kPteDirty) == 0))
    complain("process ", p.pid, " page ", p.page, ": the CPU has not noted the access, entry ",
             hex{entry});
  if (!p.writing) return;
  ++counts.writes;
  m.written = true;
  PageRecord& r = record_of(pfn_t(m.pfn));
  r.content = p.new_content;
  r.changing = false;
}

void cancel_touch(Process& p) {
  p.touching = false;
  const Mapping& m = p.pages[p.page];
  if (m.has_page()) record_of(pfn_t(m.pfn)).changing = false;
}

// -- what happens to processes --

void spawn() {
  Process* p = some(false);
  if (p == nullptr || free_pages() < 2 * kReserve || !create(*p)) return;
  p->pid = next_pid++;
  for (unsigned i = 0; i < Process::kPages; ++i)
    if (chance(40)) p->pages[i] = {.state = Mapping::lazy, .writable = chance(80)};
  if (chance(60)) {
    mm_struct mm = p->mm();
    xen_mmu_ops()->enter_mmap(&mm);
  }
}

// Both share all pages from now on, and whoever writes first gets a copy.
void fork(Process& parent) {
  Process* child = some(false);
  if (child == nullptr || free_pages() < 2 * kReserve || !create(*child)) return;
  child->pid = next_pid++;
  pv_mmu_ops* ops = xen_mmu_ops();
  const bool lazy = chance(80);
  if (lazy) ops->lazy_mmu.enter();
  for (unsigned i = 0; i < Process::kPages; ++i) {
    Mapping& m = parent.pages[i];
    Mapping& copy = child->pages[i];
    copy = m;
    if (!m.has_page()) continue;
    copy.cow = m.writable;
    if (!map(*child, i)) {
      copy = Mapping{};
      break;
    }
    ++record_of(pfn_t(m.pfn)).mappings;
    if (m.cow == copy.cow) continue;
    m.cow = true;
    protect(parent, i);
  }
  if (lazy) ops->lazy_mmu.leave();
  mm_struct mm = child->mm();
  ops->enter_mmap(&mm);
  ++counts.forks;
}

void exit_process(Process& p) {
  if (p.touching) cancel_touch(p);
  destroy(p);
  for (const Mapping& m : p.pages)
    if (m.has_page()) drop_page(m.pfn);
  ++counts.exits;
}

void unmap_page(Process& p, unsigned page) {
  Mapping& m = p.pages[page];
  if (m.has_page()) {
    unmap(p, page);
    drop_page(m.pfn);
  }
  m = Mapping{};
  ++counts.unmaps;
}

void change_page(Process& p, unsigned page) {
  Mapping& m = p.pages[page];
  const uint64_t what = below(8);
  if (m.state == Mapping::none) {
    m = {.state = Mapping::lazy, .writable = chance(80)};
  } else if (what == 0) {
    unmap_page(p, page);
  } else if (what == 1 && chance(20)) {
    for (unsigned i = page / 16 * 16; i < page / 16 * 16 + 16; ++i) unmap_page(p, i);
    drop_l1(p, page);
  } else if (m.has_page()) {
    if (what < 4) {
      m.state = m.state == Mapping::present ? Mapping::hidden : Mapping::present;
    } else {
      m.writable = !m.writable;
      m.cow = m.writable && record_of(pfn_t(m.pfn)).mappings > 1;
    }
    protect(p, page);
    ++counts.protections;
  }
}

void change_mappings(Process& p) {
  if (p.touching) return;  // it stands in the midst of one
  pv_mmu_ops* ops = xen_mmu_ops();
  const bool lazy = chance(60);
  if (lazy) ops->lazy_mmu.enter();
  for (uint64_t n = 1 + below(4); n > 0; --n)
    change_page(p, static_cast<unsigned>(below(Process::kPages)));
  if (lazy) ops->lazy_mmu.leave();
}

unsigned nr_processes() {
  unsigned n = 0;
  for (const Process& p : processes) n += p.used;
  return n;
}

}  // namespace

const WorkloadCounts& workload_counts() {
  return counts;
}

void set_up_workload() {
  set_up_user_text();
  for (unsigned i = 0; i < 4; ++i) spawn();
}

void act() {
  const uint64_t what = below(100);
  Process* p = some(true);
  if (nr_processes() < 4 || what < 3) {
    spawn();
  } else if (p != nullptr && what < 8) {
    if (!p->touching) fork(*p);
  } else if (p != nullptr && what < 13) {
    if (nr_processes() > 5) exit_process(*p);
  } else if (p != nullptr && what < 60) {
    change_mappings(*p);
  } else if (what < 70) {
    change_buffers();
  } else if (what < 76) {
    exchange_frames();
  } else if (what < 80) {
    act_with_grants();
  } else if (free_pages() > pages_of_memory() / 2) {
    make_buffers(16);
  }
  free_now();
}

Process* process_to_run() {
  for (unsigned i = 0; i < kMostProcesses; ++i) {
    Process& p = processes[++turn % kMostProcesses];
    if (!p.used || p.running || (!p.pinned() && chance(90))) continue;
    if (!p.touching) begin_touch(p);
    load(p);
    p.running = true;
    return &p;
  }
  return nullptr;
}

void process_has_stopped(Process& p, uint64_t fault) {
  p.running = false;
  switch (p.registers.vector) {
    case kEvent:
      break;
    case kSystemCall:
      end_touch(p);
      break;
    case kPageFault:
      if (handle_fault(p, fault) == Outcome::refused) cancel_touch(p);
      break;
    default:
      complain("process ", p.pid, " met trap ", p.registers.vector);
      exit_process(p);
  }
  free_now();
}

void check_processes() {
  for (uint64_t pfn = 0; pfn < memory_end(); ++pfn) record_of(pfn_t(pfn)).counted = 0;
  for (const Process& p : processes) {
    if (!p.used) continue;
    check_tables(p);
    for (const Mapping& m : p.pages)
      if (m.has_page()) ++record_of(pfn_t(m.pfn)).counted;
  }
  for (uint64_t pfn = 0; pfn < memory_end(); ++pfn) {
    const PageRecord& r = record_of(pfn_t(pfn));
    if (r.use == PageUse::user && r.mappings != r.counted)
      complain("page ", hex{pfn}, " is mapped ", r.counted, " times, not ", r.mappings);
  }
}

void believe_all_pinned(bool believe) {
  static bool believed[kMostProcesses];
  for (unsigned i = 0; i < kMostProcesses; ++i) {
    if (!processes[i].used || (believe ? processes[i].pinned() : !believed[i])) continue;
    record_of(processes[i].pgd).guest.pinned = believe;
    believed[i] = believe;
  }
}

}  // namespace ferry::kernel
