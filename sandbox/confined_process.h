// A process of its own for what reads and decodes: it has no rights, and whoever started it lives
// on to say what became of it.
#pragma once

#include <functional>
#include <string>

#include "error/error.h"
#include "sandbox/confine.h"

namespace ferry::sandbox {

// How a body ended. report: what the caller is to say of it, once it has done its part; at most
// as many bytes as Confined.longest_report says.
struct Done {
  Exit exit = Exit::done;
  std::string report = {};
};

struct Confined {
  std::string program;  // as complaints begin
  std::string what;     // that is read, for sentences
  Limits limits;        // of the body
  size_t longest_report = 60'000;
  std::string way_out = "--no-sandbox runs it without these limits";  // for the operator
  // Of whoever made it ask the kernel for more than it needs.
  std::string suspicion = "the file may have been made to take it over";
  Work work = Work::reading;
  bool no_sandbox = false;  // for debugging: the body runs in this process, which says so
};

// False in builds with sanitizers, whose runtime opens files and traces itself at the end.
bool can_confine() noexcept;

// Runs body in a process that is confined before it starts, and returns what it returned. The
// process has a copy of this one's memory, its standard output and error, and descriptors of this
// one's that are closed on exec; not its standard input, nor descriptors that were inherited. It
// ends when this thread does. An exception in the body becomes a complaint there and an exit code
// here, as run_main() makes them.
//
// Files are to be opened before, and named, renamed and synced after: nothing of that can be done
// inside. What the body leaves in memory is gone; what it reports may be the word of somebody who
// has taken it over. Without a filter of system calls (the kernel or a container refuses) one
// sentence on standard error says so, and the body runs with what there is.
//
// Throws Error(internal) if a signal ended the process, SIGSYS above all; ends this process in the
// same way for a signal that is meant for both, such as Ctrl-C and a closed pipe. In builds with
// sanitizers, whose runtime opens files and traces itself at the end, the body runs in this
// process.
Done run_confined(const Confined& how, const std::function<Done(const Confinement&)>& body);

}  // namespace ferry::sandbox
