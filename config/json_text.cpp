// JSON as programs print it: here alone, since what writes it takes a second to compile.
#include "config/json_text.h"

#include <nlohmann/json.hpp>

namespace ferry {

std::string json_text(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace ferry
