// The memory that a configuration gives its guest.
#pragma once

#include <cstdint>
#include <optional>

#include <nlohmann/json.hpp>

namespace ferry {

// What libxl lets a new domain have beyond its target (LIBXL_MAXMEM_CONSTANT).
inline constexpr uint64_t kBeyondTargetKib = 1024;

// What libxl makes the limit of a new domain: the target, or, where there is none, all that it may
// have. Nothing where the configuration says neither.
std::optional<uint64_t> memory_target_kib(const nlohmann::ordered_json& config);

// That target, and no less than it is what the guest may have.
void set_memory_target(nlohmann::ordered_json& config, uint64_t kib);

}  // namespace ferry
