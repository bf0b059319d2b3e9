// What no program's death can cut in two on a real host: a hypercall, a change of the kernel's
// mappings, and the guest's own code, which here all run in the program that asks for them.
//
// A program that gets SIGKILL inside of one leaves a machine that no host can be in. One that wants
// to be killed as on a host calls die_between_steps() from a thread of its own instead.
#pragma once

#include <functional>

namespace ferry::sim {

class MachineStep {
 public:
  MachineStep();
  ~MachineStep();
  MachineStep(const MachineStep&) = delete;
  MachineStep& operator=(const MachineStep&) = delete;
};

// Waits until no thread is inside a step, lets none begin another, does what the kernel does for a
// program that ends, and ends this one like SIGKILL does.
[[noreturn]] void die_between_steps(const std::function<void()>& clean_up);

}  // namespace ferry::sim
