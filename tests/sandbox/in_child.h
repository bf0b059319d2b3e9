// Runs a piece of code in a process of its own, since what is given up there is gone for good.
#pragma once

#include <functional>
#include <string>

namespace ferry::test {

// As waitpid gave it.
struct Ended {
  int status = 0;
  bool killed_by(int signal) const;
  bool exited_with(int code) const;
};
// For messages: "code 3", "signal 31".
std::string to_string(const Ended& ended);

// body() returns the exit code, which is 255 if it throws.
Ended in_child(const std::function<int()>& body);

// errno of a call that returned less than 0, else 0: for a body that makes one.
int errno_of(long result);

// Uses processor time until a signal ends it.
[[noreturn]] void spin();

}  // namespace ferry::test
