// How much memory the guest has: what the toolstack asks for.
#pragma once

namespace ferry::kernel {

// Watches what the toolstack asks for.
void set_up_balloon();
// A few pages nearer to it. On vCPU 0.
void balloon();

}  // namespace ferry::kernel
