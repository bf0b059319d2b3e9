// What each vCPU does for ever.
#pragma once

namespace ferry::kernel {

// On vCPU 0, once the guest half is up: the rest of the kernel.
[[noreturn]] void run_kernel(unsigned nr_cpus);

}  // namespace ferry::kernel
