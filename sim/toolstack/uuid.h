// A domain's uuid as libxl writes it: 8-4-4-4-12 hex digits.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace ferry::sim {

std::string uuid_text(const std::array<uint8_t, 16>& uuid);
// Throws Error(bad_image).
std::array<uint8_t, 16> uuid_of(const std::string& text);

}  // namespace ferry::sim
