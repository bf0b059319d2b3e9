// The rules of every_rule.h, asked of the Xen that this kernel runs on: a line "rule …" for each on
// the console.
#pragma once

#include <stdint.h>

namespace ferry::kernel {

// hole: an address with page tables at which nothing is. spare: a vCPU that there is and that was
// not set up.
void ask_xen(uint64_t hole, unsigned spare);

}  // namespace ferry::kernel
