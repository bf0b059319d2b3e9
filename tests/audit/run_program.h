// Runs a program to its end and keeps what it said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ferry::test {

struct Outcome {
  int exit_code = -1;  // 128 + signal if a signal ended it
  std::string out;
  std::string err;
  uint64_t peak_bytes = 0;  // of resident memory
};

// arguments[0] is the program's path. Throws if it cannot be started.
Outcome run_program(const std::vector<std::string>& arguments);

}  // namespace ferry::test
