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
  // A fault in one of these two instructions goes on behind it, with 1 in rax (trap.cpp).
  bool try_load(uint64_t va, uint64_t& value) const {
    uint64_t failed = 0, loaded = 0;
    asm volatile(
        "1: mov %[from], %[to]\n2:\n"
        ".pushsection .fixups, \"a\"\n.quad 1b, 2b\n.popsection"
        : [to] "+r"(loaded), "+a"(failed)
        : [from] "m"(*at(va)));
    value = loaded;
    return failed == 0;
  }
  bool try_store(uint64_t va, uint64_t value) {
    uint64_t failed = 0;
    asm volatile(
        "1: mov %[from], %[to]\n2:\n"
        ".pushsection .fixups, \"a\"\n.quad 1b, 2b\n.popsection"
        : [to] "+m"(*at(va)), "+a"(failed)
        : [from] "r"(value));
    return failed == 0;
  }

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
