// The toolstack's configuration of a guest: JSON that somebody else wrote.
#include "config/libxl_json.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "text/printable.h"

namespace ferry {

using nlohmann::ordered_json;

namespace {

struct Extent {
  int depth = 0;      // how deep the brackets outside of strings nest
  size_t values = 1;  // at most
};

// (The parser's own way of telling the depth takes time that grows with the square of the text.)
Extent extent_of(const std::string& json) {
  Extent extent;
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      i += c == '\\';
      in_string = c != '"';
      continue;
    }
    if (c == '[' || c == '{') extent.depth = std::max(extent.depth, ++depth);
    depth -= c == ']' || c == '}';
    extent.values += c == ',' || c == '[' || c == '{';
    in_string = c == '"';
  }
  return extent;
}

// Of what is known to be small: null if it is no JSON.
ordered_json parse_small(const std::string& text) {
  return ordered_json::parse(text, nullptr, false);
}

// Of what is known to be small, and JSON. libxl takes the first of two, other parsers the last.
std::string key_that_comes_twice(const std::string& text) {
  std::vector<std::set<std::string>> open;
  std::optional<std::string> twice;
  const auto look = [&](int, ordered_json::parse_event_t event, ordered_json& parsed) {
    if (event == ordered_json::parse_event_t::object_start) open.emplace_back();
    if (event == ordered_json::parse_event_t::object_end) open.pop_back();
    if (event == ordered_json::parse_event_t::key &&
        !open.back().insert(parsed.get<std::string>()).second)
      twice = parsed.get<std::string>();
    return true;
  };
  const bool whole = !ordered_json::parse(text, look, false).is_discarded();
  return whole && twice ? fmt::format("it has the key {} twice", *twice) : std::string();
}

}  // namespace

std::string fault_of_config(const std::string& text) {
  if (text.size() > kLargestConfig)
    return fmt::format("it has {} bytes, more than {}", text.size(), kLargestConfig);
  const Extent extent = extent_of(text);
  if (extent.depth > kDeepestConfig)
    return fmt::format("it nests {} deep, more than {}", extent.depth, kDeepestConfig);
  if (extent.values > kMostConfigValues)
    return fmt::format("it has {} values, more than {}", extent.values, kMostConfigValues);
  if (!is_utf8(text)) return "it is not UTF-8";
  const ordered_json config = parse_small(text);
  if (config.is_discarded()) return "it is no JSON";
  return config.is_object() ? key_that_comes_twice(text) : "it is no object";
}

ordered_json parse_config(const std::string& text) {
  return fault_of_config(text).empty() ? parse_small(text) : ordered_json();
}

ordered_json require_config(const std::string& text, Errc code, const std::string& called) {
  const std::string fault = fault_of_config(text);
  if (!fault.empty()) fail(code, "{} makes no sense: {}", called, fault);
  ordered_json config = parse_small(text);
  const auto info = config.find("c_info");
  if (info == config.end() || !info->is_object())
    fail(code, "{} makes no sense: it has no c_info", called);
  for (const char* key : {"name", "uuid"})
    if (info->contains(key) && !(*info)[key].is_string())
      fail(code, "{} makes no sense: the {} in c_info is no text", called, key);
  return config;
}

std::string config_to_save(std::string text) {
  const std::string fault = fault_of_config(text);
  if (!fault.empty())
    fail(Errc::unsupported, "no restore would take the guest's configuration as libxl has it: {}",
         fault);
  return text;
}

std::string text_at(const ordered_json& config, const char* pointer) {
  const ordered_json::json_pointer at(pointer);
  return config.contains(at) && config[at].is_string() ? config[at].get<std::string>()
                                                       : std::string();
}

}  // namespace ferry
