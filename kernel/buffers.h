// Memory of the kernel's own with known contents.
#pragma once

#include <stdint.h>

#include "p2m/frames.h"

namespace ferry::kernel {

// Fills so many free pages.
void make_buffers(uint64_t pages);
// One of them, any. False if there is none.
[[nodiscard]] bool some_buffer(pfn_t& pfn);
// Gives some back.
void drop_buffers(uint64_t pages);
// Writes some of them anew.
void change_buffers();
// Two of them change places in the machine, as when memory that lies together is made.
void exchange_frames();
// Judges every page whose contents are known; what is wrong is complained about.
void check_memory();

}  // namespace ferry::kernel
