// Time since the guest's boot, which goes on over suspends, and the timer of each vCPU.
#pragma once

#include <stdint.h>

namespace ferry::kernel {

inline constexpr uint64_t kMillisecond = 1000000;

// Nanoseconds. Not between a suspend and its end.
uint64_t now();

// A new host counts from another beginning: was is what now() said before.
void go_on_from(uint64_t was);

// This vCPU gets an event then, or soon if that is past. One at a time: a later call changes it.
void set_timer(uint64_t when);

}  // namespace ferry::kernel
