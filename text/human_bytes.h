// Sizes as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace ferry {

// "1.50 GiB", "12 bytes".
std::string human_bytes(uint64_t bytes);

}  // namespace ferry
