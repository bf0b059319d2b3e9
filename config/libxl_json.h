// The toolstack's configuration of a guest: JSON that somebody else wrote.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "error/error.h"

namespace ferry {

// libxl writes some ten thousand bytes with a few hundred values, nested four deep. More than this
// is not looked at: values are copied and printed by functions that call themselves.
inline constexpr size_t kLargestConfig = 256u << 10;  // bytes
inline constexpr int kDeepestConfig = 32;             // brackets in brackets
inline constexpr size_t kMostConfigValues = 1u << 14;

// Why this is no configuration for us: "it nests 33 deep, more than 32"; empty if it is one. Costs
// no more than a look at each byte, and no memory, while the text is larger or deeper than it may
// be.
std::string fault_of_config(const std::string& text);

// An object, or null if the text is no configuration for us.
nlohmann::ordered_json parse_config(const std::string& text);

// An object whose c_info is one too. Throws Error(code): "CALLED makes no sense: …".
nlohmann::ordered_json require_config(const std::string& text, Errc code,
                                      const std::string& called);

// What a save has to know before the guest is suspended: that a restore will take the
// configuration. Returns it; throws Error(unsupported).
std::string config_to_save(std::string text);

// The text at this place ("/c_info/name"), empty if there is none.
std::string text_at(const nlohmann::ordered_json& config, const char* pointer);

}  // namespace ferry
