// What each vCPU does for ever.
#pragma once

namespace ferry::kernel {

// On vCPU 0, once the guest half is up: the rest of the kernel.
// race: only the experiment of race.h, and then the end.
[[noreturn]] void run_kernel(unsigned nr_cpus, bool race);

}  // namespace ferry::kernel
