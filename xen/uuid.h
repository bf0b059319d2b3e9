// A domain's uuid, and its text as libxl writes it: 8-4-4-4-12 hex digits.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace ferry {

using DomainUuid = std::array<uint8_t, 16>;

std::string uuid_text(const DomainUuid& uuid);
// Throws Error(bad_image).
DomainUuid uuid_of(const std::string& text);
// A new one (version 4). Throws Error(io).
DomainUuid random_uuid();

}  // namespace ferry
