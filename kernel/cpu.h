// What the kernel keeps for each vCPU, the one lock over the kernel, and how vCPUs call one
// another.
//
//   kernel mode    one vCPU at a time, holding the kernel's lock, no events delivered to it
//   user mode      as many as there are, events delivered
//   idle           waiting for an event, without the lock
//
// Whoever waits for the lock answers calls of the one that has it, so nobody waits for ever.
#pragma once

#include <stdint.h>

#include "kernel/trap.h"
#include "kernel/xen_abi.h"

namespace ferry::kernel {

inline constexpr unsigned kMaxCpus = 8;

struct alignas(4096) cpu_data {
  // start.S knows the place of these two.
  uint64_t number;        // gs:0
  uint64_t kernel_stack;  // gs:8, of run_user(), to which the next trap from user mode returns

  bool online;
  bool parked;
  int ipi, timer;                // handles of event channels (guest/event_ports.h)
  bool ticked;                   // its timer fired
  void (*call)(void* argument);  // somebody wants this run here
  void* call_argument;
  uint64_t switches;  // address spaces loaded

  alignas(64) vcpu_info_t info;  // Xen's and ours (guest/vcpus.h)
  alignas(64) vcpu_runstate_info_t runstate;

  // Where a trap from user mode puts its frame, and the stack of kernel mode.
  alignas(16) uint8_t entry_stack[1024];
  alignas(16) uint8_t stack[16384];
};

cpu_data& cpu(unsigned number);
inline unsigned this_cpu() {
  uint64_t number;
  asm volatile("mov %%gs:0, %0" : "=r"(number));
  return static_cast<unsigned>(number);
}
inline cpu_data& me() {
  return cpu(this_cpu());
}

// Makes gs lead to the record of vCPU 0. Before anything that asks which vCPU this is.
void set_up_boot_cpu();

// The kernel's lock.
void lock_kernel();
void unlock_kernel();

// With the kernel's lock held: runs a function on another vCPU, and waits for its end.
void call_on(unsigned number, void (*function)(void*), void* argument);
// Runs what others have asked of this vCPU.
void answer_calls();
// Makes a vCPU look.
void kick(unsigned number);

// With the kernel's lock held: every other vCPU stands still, wherever it is, until the second.
void park_others();
void unpark_others();

// The record, vcpu_info and event channels of a vCPU, which then may come up. On vCPU 0.
void set_up_cpu(unsigned number);
// How many vCPUs Xen has for the guest.
unsigned count_cpus();

}  // namespace ferry::kernel
