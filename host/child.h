// A program run as a child, with pipes to its standard input and from its standard output.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "io/descriptor.h"

namespace ferry::host {

class Child {
 public:
  enum class Pipes { both, none };

  // arguments[0] is looked up in PATH. environment: NAME=value to add. inherit: descriptors it
  // keeps. It gets a process group of its own, so that Ctrl-C in a terminal reaches it only through
  // us, after we decided what it means. terminal: lent to that group (LentTerminal); -1: none.
  // Throws Error(io).
  Child(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
        const std::vector<int>& inherit, Pipes pipes = Pipes::both, int terminal = -1);
  ~Child();  // closes the pipes; ends the child with SIGKILL if it was not waited for
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  int input() const { return input_.get(); }
  int output() const { return output_.get(); }
  // The child has to see the end of its input.
  void close_input() { input_.reset(); }

  // By the terminal, or by somebody.
  bool is_stopped() const;

  // Closes the pipes and waits. Returns the status as waitpid() gives it.
  int wait();
  // True if it ends within that time.
  bool wait_for(std::chrono::milliseconds time);
  // The same, its input closed, and what it still says taken from it: one that is kept from saying
  // it may leave the rest undone. False after so long in silence, and after so long in all.
  bool listen_to_its_end(std::chrono::milliseconds silence, std::chrono::milliseconds all);

 private:
  void close();

  pid_t pid_ = -1;
  Descriptor input_, output_;
  bool waited_ = false;
};

}  // namespace ferry::host
