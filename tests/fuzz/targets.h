// Fuzz targets: functions that take any bytes. A defect shows as a crash or as a sanitizer's
// report.
#pragma once

#include <cstddef>
#include <span>

namespace ferry::fuzz {

using Input = std::span<const std::byte>;

void records(Input input);
void image(Input input);
void chain(Input input);
void tables(Input input);
void kernel(Input input);
void libxc(Input input);
void xl(Input input);
void helper(Input input);
void frames(Input input);

// What chain() does: true if the chain is sound, and nothing of it was refused.
bool use_chain(Input input);

struct Target {
  const char* name;
  void (*run)(Input);
};
inline constexpr Target kTargets[] = {{"records", records}, {"image", image},   {"chain", chain},
                                      {"tables", tables},   {"kernel", kernel}, {"libxc", libxc},
                                      {"xl", xl},           {"helper", helper}, {"frames", frames}};

}  // namespace ferry::fuzz
