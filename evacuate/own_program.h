// This program once more, with another command line: what it prints is kept, and nothing is its
// input. It outlives us if we die.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "io/descriptor.h"

namespace ferry::evacuate {

class OwnProgram {
 public:
  struct End {
    int status = 0;          // as waitpid() gives it
    std::string out;         // what it, or what it started, printed
    std::string complaints;  // what it said itself of what went wrong
  };

  // before: arguments that stand before the command, in our own command line too. environment:
  // NAME=value to add. It gets a process group of its own, so that Ctrl-C in a terminal reaches it
  // only through us. Throws Error(io).
  OwnProgram(const std::vector<std::string>& before, const std::vector<std::string>& command,
             const std::vector<std::string>& environment);
  OwnProgram(const OwnProgram&) = delete;
  OwnProgram& operator=(const OwnProgram&) = delete;

  pid_t pid() const { return pid_; }
  // Nothing as long as it runs; the same from then on.
  const std::optional<End>& ended();

 private:
  pid_t pid_ = -1;
  Descriptor out_, complaints_;  // in memory
  std::optional<End> end_;
};

}  // namespace ferry::evacuate
