// An experiment: does an entry's dirty bit survive when one vCPU changes the entry while another
// writes through the mapping?
#pragma once

#include <stdint.h>

namespace ferry::kernel {

// By xen_ptep_modify_prot_*, and by reading and writing the entry; so many changes each. Says how
// often the bit came, and how often a write left none. Needs two vCPUs; vCPU 1 is not up yet.
void run_race(uint64_t rounds);

}  // namespace ferry::kernel
