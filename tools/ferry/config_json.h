// The toolstack's configuration as an image has it: JSON that somebody else wrote.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "audit/summary.h"

namespace ferry {

// A libxl configuration has some ten thousand bytes and nests three deep.
inline constexpr size_t kLargestConfig = 256u << 10;
inline constexpr int kDeepestConfig = 32;

// An object, or null if the text is none, is larger than kLargestConfig or nests deeper than
// kDeepestConfig: values are copied and printed by functions that call themselves.
nlohmann::ordered_json parse_config(const std::string& text);

// Of the image's own Config record or of the xl file around it.
nlohmann::ordered_json config_of(const audit::Summary& summary);

// The text at this place, empty if there is none.
std::string text_at(const nlohmann::ordered_json& config, const char* pointer);

}  // namespace ferry
