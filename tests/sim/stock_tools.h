// Debian's own programs for tests: where they are, and how libxl talks to its save helper.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace ferry::sim {

// A folder that holds usr/lib/xen-4.17; fetched on first use. Empty when it cannot be had.
const std::string& stock_folder();

// What verify-stream-v2 says of a libxc stream: empty when it is sound.
std::string verify_stream(const std::string& path);

struct HelperResult {
  int exit_status = -1;
  int retval = 1;  // of its `complete` message
  int os_errno = 0;
  uint64_t store_mfn = 0, console_mfn = 0;  // of `restore_results`
  bool suspended = false;
  std::string log;
};

// Runs a program as libxl runs its save helper, answering its messages; suspend() answers
// `suspend`.
HelperResult run_helper(
    const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
    const std::function<int()>& suspend = [] { return 1; });

}  // namespace ferry::sim
