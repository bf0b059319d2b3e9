// The machine-to-phys table: Xen's, readable by dom0, for every machine frame of the host.
#include "xen/machine_to_phys.h"

#include <sys/mman.h>

#include "xen/xen_headers.h"

namespace ferry {
namespace {

// xc_map_m2p maps whole chunks of 2 MiB of table.
constexpr uint64_t kChunk = uint64_t{2} << 20;

}  // namespace

MachineToPhys::MachineToPhys(const Hypervisor& xen) : nr_mfns_(xen.nr_mfns()) {
  unsigned long first_mfn = 0;
  table_ = xc_map_m2p(xen.xch(), nr_mfns_, PROT_READ, &first_mfn);
  if (!table_) fail_xen("map the machine-to-phys table");
  bytes_ = (nr_mfns_ * sizeof(uint64_t) + kChunk - 1) / kChunk * kChunk;
}

MachineToPhys::~MachineToPhys() {
  munmap(const_cast<uint64_t*>(table_), bytes_);
}

}  // namespace ferry
