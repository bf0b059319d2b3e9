// The machine-to-phys table: Xen's, readable by dom0, for every machine frame of the host.
#pragma once

#include <cstdint>

#include "xen/hypervisor.h"

namespace ferry {

class MachineToPhys {
 public:
  // Maps it read-only. Throws.
  explicit MachineToPhys(const Hypervisor& xen);
  ~MachineToPhys();
  MachineToPhys(const MachineToPhys&) = delete;
  MachineToPhys& operator=(const MachineToPhys&) = delete;

  uint64_t nr_mfns() const { return nr_mfns_; }

  // What the table says of mfn, which must be below nr_mfns(). A PV guest can write entries of its
  // own frames, and entries of unused frames are stale: it is a hint until the p2m agrees.
  uint64_t entry(mfn_t mfn) const { return __atomic_load_n(&table_[mfn.raw()], __ATOMIC_RELAXED); }

 private:
  const uint64_t* table_ = nullptr;
  uint64_t nr_mfns_ = 0;
  size_t bytes_ = 0;
};

}  // namespace ferry
