// Debian's programs.
#include "tests/sim/stock_tools.h"

#include <array>
#include <cstdio>

namespace ferry::sim {

namespace {

std::string output_of(const std::string& command, int* status = nullptr) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return out;
  std::array<char, 4096> buffer{};
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe))
    out.append(buffer.data(), n);
  const int rc = pclose(pipe);
  if (status) *status = rc;
  return out;
}

}  // namespace

const std::string& stock_folder() {
  static const std::string folder = [] {
    std::string out = output_of(std::string(FERRY_STOCK_TOOLS) + " 2>/dev/null");
    while (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
  }();
  return folder;
}

std::string verify_stream(const std::string& path) {
  const std::string lib = stock_folder();
  int status = 0;
  const std::string out = output_of("PYTHONPATH=" + lib + "/lib/python python3 " + lib +
                                        "/bin/verify-stream-v2 -f libxc -i " + path + " 2>&1",
                                    &status);
  if (status == 0) return {};
  return out.empty() ? "it fails without a word" : out;
}

}  // namespace ferry::sim
