// Sizes as people read them.
#include "text/human_bytes.h"

#include <iterator>

#include <fmt/format.h>

namespace ferry {

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

}  // namespace ferry
