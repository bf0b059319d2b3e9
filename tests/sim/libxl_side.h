// libxl's side of its conversation with a save helper, ours or the stock one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ferry::sim {

enum class HelperMessage : uint16_t {
  none = 0,
  log = 1,
  progress = 2,
  suspend = 3,
  static_data_done = 8,
  restore_results = 9,
  complete = 10
};

struct LibxlSide {
  std::function<int()> suspend = [] { return 1; };
  // Does what the first message of that kind asks for and is then killed: it answers no more.
  HelperMessage dies_at = HelperMessage::none;
};

struct HelperResult {
  int exit_status = -1;
  int retval = 1;  // of its `complete` message
  int os_errno = 0;
  uint64_t store_mfn = 0, console_mfn = 0;  // of `restore_results`
  bool suspended = false;
  std::string log;
};

// Runs a program as libxl runs its save helper, answering its messages.
HelperResult run_helper(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment, const LibxlSide& libxl = {});

}  // namespace ferry::sim
