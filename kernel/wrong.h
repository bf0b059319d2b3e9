// Kernels that do one thing wrong on purpose, to see what becomes of them when they are saved.
// Words on the command line choose: wrong=frame, wrong=pins, wrong=p2m, wrong=moving, wrong=deaf,
// wrong=twice.
#pragma once

#include <stdint.h>

namespace ferry::kernel {

enum class Wrong : uint8_t {
  nothing,
  frame,   // a frame that is Xen's is named in its page tables at the suspend
  pins,    // page tables that are in no use are not pinned for the suspend
  p2m,     // a pfn without memory claims another one's frame
  moving,  // its p2m changes place all the time, as it says
  deaf,    // it answers a request to suspend, and goes on
  twice,   // it suspends again right after a suspend, unasked
};
Wrong wrong();

// hole: an address with a page table at which nothing is.
void choose_wrong(const char* words, uint64_t hole);

// Now and then, on vCPU 0.
void do_wrong();
// Around the hypercall, with all other vCPUs parked.
void do_wrong_before_suspend();
void do_wrong_after_suspend();

}  // namespace ferry::kernel
