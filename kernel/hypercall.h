// How the kernel enters Xen.
#pragma once

#include <stdint.h>

extern "C" char hypercall_page[4096];

namespace ferry::kernel {

// The result as Xen gives it, below 0 for an error. Xen may write to all five argument registers.
inline int64_t hypercall(unsigned number, uint64_t a1 = 0, uint64_t a2 = 0, uint64_t a3 = 0,
                         uint64_t a4 = 0, uint64_t a5 = 0) {
  int64_t result;
  register uint64_t r10 asm("r10") = a4;
  register uint64_t r8 asm("r8") = a5;
  asm volatile("call *%[entry]"
               : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
               : [entry] "r"(hypercall_page + 32 * number)
               : "memory", "cc");
  return result;
}

inline uint64_t address(const volatile void* p) {
  return reinterpret_cast<uint64_t>(p);
}

}  // namespace ferry::kernel
