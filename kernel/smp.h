// Bringing up the other vCPUs.
#pragma once

namespace ferry::kernel {

// Starts a vCPU that is set up (cpu.h) at a function that does not return.
void bring_up(unsigned number, void (*function)());

}  // namespace ferry::kernel
