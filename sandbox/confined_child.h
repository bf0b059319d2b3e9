// A process without rights beside this one, for what reads and decodes while this one works on what
// it says.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <span>

#include "sandbox/confined_process.h"

namespace ferry::sandbox {

class ConfinedChild {
 public:
  // Runs body in a process that is confined before it starts. It has a copy of this one's memory,
  // the descriptors of keep, and no other: not even standard error, which is somebody's terminal.
  // It goes on through Ctrl-C, until this object or the thread that made it ends. body must not
  // throw: it has its own ways to tell. how.no_sandbox is for who calls. Throws Error(no_memory).
  ConfinedChild(const Confined& how, std::span<const int> keep,
                const std::function<void(const Confinement&)>& body);
  ~ConfinedChild();  // ends it
  ConfinedChild(const ConfinedChild&) = delete;
  ConfinedChild& operator=(const ConfinedChild&) = delete;

  pid_t pid() const { return pid_; }

  // Until body has returned. Throws Error(internal), saying how the process ended, if a signal
  // ended it, SIGSYS above all, or if it does not end within that time and has to be ended.
  void wait(std::chrono::milliseconds time);
  // For as long as it takes; wait() says how it ended.
  void wait_for_its_end();

 private:
  Confined how_;
  pid_t pid_ = -1;
  bool waited_ = false;
};

}  // namespace ferry::sandbox
