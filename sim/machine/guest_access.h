// How a guest's own code reaches its memory: through its page tables, as the CPU and Xen see them.
#pragma once

#include <cstddef>

#include "sim/machine/host.h"

namespace ferry::sim {

// Error code bits of a page fault, as the CPU reports them.
inline constexpr unsigned kFaultPresent = 1, kFaultWrite = 2, kFaultUser = 4;

struct AccessResult {
  bool ok = true;
  uint64_t cr2 = 0;  // the address at fault
  unsigned error_code = 0;
};

// Reads or writes guest memory at a virtual address of the vCPU's present address space (kernel
// base in kernel mode, user base otherwise), setting accessed and dirty bits and the dirty log. A
// store to a read-only mapped, validated L1 table becomes a validated update when the guest has the
// writable-page-tables assist, as Xen emulates it (8-byte aligned stores only). A fault stops the
// access at the failing address, after what lay before it.
AccessResult guest_read(Host& host, Domain& domain, uint32_t vcpu, uint64_t va, void* out,
                        size_t bytes);
AccessResult guest_write(Host& host, Domain& domain, uint32_t vcpu, uint64_t va, const void* in,
                         size_t bytes);

// What Xen does with a fault before the guest's handler runs: the address goes to the vCPU's
// vcpu_info, wherever that is at this time.
void deliver_page_fault(Host& host, Domain& domain, uint32_t vcpu, uint64_t cr2);

// The frame behind an address, or nothing; touches no bits.
bool translate(Host& host, const Vcpu& vcpu, uint64_t va, mfn_t& mfn);

}  // namespace ferry::sim
