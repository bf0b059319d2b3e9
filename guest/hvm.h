// What a guest with hardware-assisted paging does instead: it has no p2m and pins nothing.
// Freestanding-clean.
#pragma once

#include <stdint.h>

#include "guest/abi.h"
#include "guest/machine.h"
#include "p2m/frames.h"

namespace ferry {

template <guest_machine Machine>
class hvm_mmu {
 public:
  explicit hvm_mmu(Machine& machine) : machine_(machine) {}

  // Does Xen want to know when an address space dies? With shadow paging it does, and can stop
  // watching its tables early; otherwise it refuses the question.
  void init() { wants_dying_ = pagetable_dying(0) >= 0; }
  bool wants_dying() const { return wants_dying_; }

  void exit_mmap(pfn_t pgd) {
    if (wants_dying_ && pagetable_dying(pgd.raw() << kPageShift) < 0 && !warned_) {
      warned_ = true;
      machine_.warn("dying page table refused");
    }
  }

  // For reading the memory of a crashed kernel: 1 if a pfn is RAM, 0 if reading it would go to a
  // device model, -ENXIO if Xen does not say.
  int pfn_is_ram(uint64_t pfn) {
    abi::hvm_get_mem_type request{};
    request.domid = static_cast<uint16_t>(abi::kDomidSelf);
    request.pfn = pfn;
    if (machine_.hypercall(abi::kHvmOp, abi::kHvmopGetMemType, reinterpret_cast<uint64_t>(&request),
                           0, 0, 0) < 0)
      return static_cast<int>(-abi::kEnxio);
    return request.mem_type == abi::kHvmmemMmioDm ? 0 : 1;
  }

 private:
  int64_t pagetable_dying(uint64_t gpa) {
    abi::hvm_pagetable_dying request{};
    request.domid = static_cast<uint16_t>(abi::kDomidSelf);
    request.gpa = gpa;
    return machine_.hypercall(abi::kHvmOp, abi::kHvmopPagetableDying,
                              reinterpret_cast<uint64_t>(&request), 0, 0, 0);
  }

  Machine& machine_;
  bool wants_dying_ = false;
  bool warned_ = false;
};

}  // namespace ferry
