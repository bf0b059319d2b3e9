// JSON as programs print it and files keep it.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace ferry {

// ASCII only, since what it quotes may come from an image, a guest or a peer: letters beyond it and
// control characters are escaped as JSON does it, bytes that are no UTF-8 become U+FFFD. Never
// throws for what is in a string. indent: -1 for one line.
std::string json_text(const nlohmann::ordered_json& json, int indent = 2);

}  // namespace ferry
