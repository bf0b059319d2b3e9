// What the kernel does all day: processes that fork, map, unmap, protect, fault and exit, on all
// vCPUs.
#pragma once

#include "kernel/process.h"

namespace ferry::kernel {

void set_up_workload();

// With the kernel's lock: does something to a process that does not run, or to the kernel's own
// memory.
void act();

// A process to run here, with its registers and its address space loaded; nullptr if there is none.
Process* process_to_run();
// It has come back, with a trap of this vector; fault: the address of a page fault.
void process_has_stopped(Process& p, uint64_t fault);

// Complains about page tables and counts that are wrong.
void check_processes();

// For a kernel that does wrong (wrong.h): what is not pinned is taken for pinned, and no longer.
void believe_all_pinned(bool believe);

struct WorkloadCounts {
  uint64_t forks, exits, touches, writes, faults, copies, zeros, refusals, protections, unmaps;
};
const WorkloadCounts& workload_counts();

}  // namespace ferry::kernel
