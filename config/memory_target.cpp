// The memory that a configuration gives its guest.
#include "config/memory_target.h"

#include <algorithm>

namespace ferry {
namespace {

using nlohmann::ordered_json;

std::optional<uint64_t> number_at(const ordered_json& config, const char* pointer) {
  const ordered_json::json_pointer at(pointer);
  if (!config.contains(at) || !config[at].is_number_unsigned()) return std::nullopt;
  return config[at].get<uint64_t>();
}

constexpr char kTarget[] = "/b_info/target_memkb", kMost[] = "/b_info/max_memkb";

}  // namespace

std::optional<uint64_t> memory_target_kib(const ordered_json& config) {
  const auto target = number_at(config, kTarget);
  return target ? target : number_at(config, kMost);
}

void set_memory_target(ordered_json& config, uint64_t kib) {
  const uint64_t most = number_at(config, kMost).value_or(0);
  config[ordered_json::json_pointer(kTarget)] = kib;
  config[ordered_json::json_pointer(kMost)] = std::max(kib, most);
}

}  // namespace ferry
