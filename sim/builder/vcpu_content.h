// vCPUs of scratch guests: their GDTs, contexts and extended state.
#pragma once

#include <vector>

#include "sim/builder/tables.h"

namespace ferry::sim {

struct VcpuPages {
  uint64_t gdt;        // pfn
  uint64_t vcpu_info;  // pfn, or ~0: in shared_info
};

std::vector<VcpuPages> take_vcpu_pages(Workshop& shop);

// Sets the contexts of all vCPUs that are online; vCPU 0 as it stands in the suspend hypercall.
void load_vcpus(Workshop& shop, const std::vector<VcpuPages>& pages,
                const std::vector<ProcessTables>& processes);

}  // namespace ferry::sim
