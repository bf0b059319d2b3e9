// A link to another host over the standard input and output of a command, such as ssh.
#pragma once

#include <string>

#include "migrate/link.h"
#include "tools/host/child.h"

namespace ferry::host {

class Via {
 public:
  // Runs the command in a shell. Throws Error(io).
  explicit Via(const std::string& command)
      : child_({"sh", "-c", command}, {}, {}),
        in_(child_.output(), "the other host"),
        out_(child_.input(), "the other host"),
        link_(in_, out_) {}

  // Hangs up, and waits until the command has ended: the other side finishes what it has to.
  ~Via() { child_.wait(); }
  Via(const Via&) = delete;
  Via& operator=(const Via&) = delete;

  Link& link() { return link_; }
  pid_t pid() const { return child_.pid(); }

 private:
  Child child_;
  FdSource in_;
  FdSink out_;
  Link link_;
};

}  // namespace ferry::host
