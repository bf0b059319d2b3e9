// What can be set from outside: libxl passes nothing on, so it comes from the environment.
#pragma once

#include <optional>

#include "ferry/v1/image.pb.h"

namespace ferry::helper {

struct Settings {
  unsigned threads = 1;              // FERRY_THREADS; half of the CPUs
  int level = 2;                     // FERRY_LEVEL: of zstd, 0 to 19; 0 does not compress
  std::optional<v1::Config> config;  // FERRY_CONFIG_FD: a serialised ferry.v1.Config
};

// Throws Error(usage), naming the variable.
Settings read_settings();

// The disk and network backends of all guests share dom0's CPUs with us.
void lower_priority();

}  // namespace ferry::helper
