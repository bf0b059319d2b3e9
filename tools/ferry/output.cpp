// What the subcommands share about writing.
#include "tools/ferry/output.h"

#include <cerrno>
#include <cstdio>

#include "error/error.h"

namespace ferry {

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    fail_errno(Errc::io, errno, "cannot write to standard output");
}

std::string human_bytes(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  double amount = static_cast<double>(bytes);
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (amount >= 1024 && unit + 1 < std::size(units)) {
    amount /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f} {}", amount, units[unit]);
}

std::string printable(std::string_view text) {
  std::string clean;
  for (const char c : text) clean += c >= 0x20 && c < 0x7f ? c : '?';
  return clean;
}

}  // namespace ferry
