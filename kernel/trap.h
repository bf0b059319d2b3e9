// Traps, events and system calls: how the kernel is entered, and how it goes to user mode.
#pragma once

#include <stdint.h>

namespace ferry::kernel {

// Vectors above 255 are not the CPU's.
enum : uint64_t {
  kGeneralProtection = 13,
  kPageFault = 14,
  kEvent = 256,
  kSystemCall = 257,
  kFailsafe = 258,
};

// The registers of what was interrupted, as start.S saves them.
struct trap_frame {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  uint64_t vector, error;
  uint64_t rip, cs, rflags, rsp, ss;
};

// Bits of a page fault's error.
inline constexpr uint64_t kFaultPresent = 1;  // the mapping is there and does not allow it
inline constexpr uint64_t kFaultWrite = 2;
inline constexpr uint64_t kFaultUser = 4;

// Selectors that Xen has for everybody, in user mode and (but for the last two bits) in the kernel.
inline constexpr uint64_t kCodeSelector = 0xe033;
inline constexpr uint64_t kStackSelector = 0xe02b;
inline constexpr uint64_t kEventsEnabled = 0x200;  // of rflags: events are delivered

// Tells Xen where the kernel is entered, for vCPU 0. Others are started with the same.
void set_up_traps();
// The same in the form that a new vCPU's context wants.
void describe_traps(void* vcpu_context);

// Memory that may not be mapped so: false if the CPU met a page fault instead.
bool load_or_fault(uint64_t va, uint64_t& value);
bool store_or_fault(uint64_t va, uint64_t value);

// Goes to user mode with these registers, and comes back with the frame of what ended it there; it
// is on the vCPU's own entry stack, good until the next time. With events in kernel mode off.
extern "C" trap_frame* run_user(const trap_frame* registers);

}  // namespace ferry::kernel
