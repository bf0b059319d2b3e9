// The guest half's policy type (guest/machine.h) for a real machine: memory is memory, and a
// hypercall enters Xen.
#pragma once

#include <stdint.h>

#include "guest/machine.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/hypercall.h"
#include "kernel/lock.h"
#include "kernel/memory.h"
#include "kernel/trap.h"

namespace ferry::kernel {

// Where the linear p2m lives, if there is one.
inline constexpr uint64_t kP2mArea = 0xffffc90000000000;

class Machine {
 public:
  static constexpr unsigned kMaxCpus = kernel::kMaxCpus;

  int64_t hypercall(unsigned number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                    uint64_t a5) {
    return kernel::hypercall(number, a1, a2, a3, a4, a5);
  }

  // The compiler shall not know what an address is.
  static volatile uint64_t* at(uint64_t va) {
    asm("" : "+r"(va));
    return reinterpret_cast<volatile uint64_t*>(va);
  }
  uint64_t load(uint64_t va) const { return *at(va); }
  void store(uint64_t va, uint64_t value) { *at(va) = value; }
  void store_byte(uint64_t va, uint8_t value) {
    *reinterpret_cast<volatile uint8_t*>(at(va)) = value;
  }
  bool try_load(uint64_t va, uint64_t& value) const { return load_or_fault(va, value); }
  bool try_store(uint64_t va, uint64_t value) { return store_or_fault(va, value); }

  uint64_t va_of(pfn_t pfn) const { return kernel::va_of(pfn); }
  pfn_t pfn_of(uint64_t va) const { return kernel::pfn_of(va); }
  bool in_direct_map(uint64_t va) const {
    return va >= kDirectMap && va - kDirectMap < memory_end() << kPageShift;
  }
  bool alloc_page(pfn_t& pfn) { return kernel::alloc_page(PageUse::kernel, pfn); }
  void free_page(pfn_t pfn) { kernel::free_page(pfn); }
  guest_page& page(pfn_t pfn) { return guest_record(pfn); }

  unsigned this_cpu() const { return kernel::this_cpu(); }
  bool cpu_online(unsigned number) const { return cpu(number).online; }
  // Events come in user mode and while a vCPU waits for one, never in the kernel: so there is
  // nothing to save.
  uint64_t irq_save() { return 1; }
  void irq_restore(uint64_t) {}
  bool irqs_masked() const { return true; }
  void call_on(unsigned cpu, void (*function)(void*), void* argument) {
    kernel::call_on(cpu, function, argument);
  }

  // One lock is over all of the kernel (cpu.h), so these find nobody else; one taken twice would
  // hang.
  void lock_table(pfn_t pfn) { record_of(pfn).locked.lock(); }
  void unlock_table(pfn_t pfn) { record_of(pfn).locked.unlock(); }
  void lock_pgds() { pgds_.lock(); }
  void unlock_pgds() { pgds_.unlock(); }
  void lock_p2m() { p2m_.lock(); }
  void unlock_p2m() { p2m_.unlock(); }

  void warn(const char* sentence) { complain(sentence); }
  [[noreturn]] void bug(const char* sentence) const { kernel::bug(sentence); }

 private:
  spinlock pgds_, p2m_;
};

}  // namespace ferry::kernel
