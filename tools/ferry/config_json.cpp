// The toolstack's configuration as an image has it.
#include "tools/ferry/config_json.h"

#include <algorithm>

namespace ferry {

using nlohmann::ordered_json;

namespace {

// How deep the brackets outside of strings nest. (The parser's own way of telling takes time that
// grows with the square of the text.)
int depth_of(const std::string& json) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      i += c == '\\';
      in_string = c != '"';
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else {
      depth -= c == ']' || c == '}';
      in_string = c == '"';
    }
  }
  return deepest;
}

}  // namespace

ordered_json parse_config(const std::string& text) {
  if (text.size() > kLargestConfig || depth_of(text) > kDeepestConfig) return {};
  ordered_json config = ordered_json::parse(text, nullptr, false);
  return config.is_object() ? config : ordered_json();
}

ordered_json config_of(const audit::Summary& summary) {
  return parse_config(summary.config ? summary.config->libxl_json() : summary.place.xl_config);
}

std::string text_at(const ordered_json& config, const char* pointer) {
  const ordered_json::json_pointer at(pointer);
  return config.contains(at) && config[at].is_string() ? config[at].get<std::string>()
                                                       : std::string();
}

}  // namespace ferry
