// The hypercalls with which page tables are changed, pinned and loaded.
#pragma once

#include <optional>

#include "sim/machine/host.h"

namespace ferry::sim {

// The hypercalls; each returns what Xen would, 0 or a negative errno.
int mmu_update(Host& host, Domain& caller, uint32_t vcpu, const mmu_update_t* requests,
               uint32_t count, uint32_t* done, uint32_t foreign);
int mmuext_op(Host& host, Domain& caller, uint32_t vcpu, const mmuext_op_t* ops, uint32_t count,
              uint32_t* done, uint32_t foreign);
int update_va_mapping(Host& host, Domain& caller, uint32_t vcpu, uint64_t va, uint64_t l1e,
                      uint64_t flags, uint32_t foreign);
int update_descriptor(Host& host, Domain& caller, uint64_t maddr, uint64_t descriptor);

// One validated change of an entry of a validated table (mod_lN_entry), marked dirty.
int modify_entry(Host& host, mfn_t table, unsigned slot, uint64_t entry, bool preserve_ad,
                 DomainNumber frame_owner);

struct TableSlot {
  mfn_t table;
  unsigned slot;
};
// Where the L1 entry of a guest address lies in the vCPU's present address space, as long as every
// level above is present.
std::optional<TableSlot> find_l1e(Host& host, const Vcpu& vcpu, uint64_t va);

}  // namespace ferry::sim
