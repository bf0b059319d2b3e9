// What follows from a row of the table.
#include "settings/table.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "error/error.h"

namespace ferry {
namespace {

constexpr std::string_view kBetweenNames = ", \t";

bool is_number(const Setting& setting, std::string_view text) {
  if (!setting.word.empty() && text == setting.word) return true;
  uint64_t value = 0;
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc() && rest == text.data() + text.size() && value >= setting.lowest &&
         value <= setting.highest;
}

bool is_text(const Setting& setting, std::string_view text) {
  const auto harmless = [](unsigned char c) { return c >= ' ' && c != 0x7f; };
  return text.size() >= setting.lowest && text.size() <= setting.highest &&
         std::all_of(text.begin(), text.end(), harmless);
}

bool is_value(const Setting& setting, std::string_view text) {
  switch (setting.kind) {
    case Kind::number:
      return is_number(setting, text);
    case Kind::choice: {
      const auto choices = choices_of(setting);
      return std::find(choices.begin(), choices.end(), text) != choices.end();
    }
    case Kind::text:
      return is_text(setting, text);
    case Kind::names:
      return is_text(setting, text) && !names_in(text).empty();
  }
  return false;
}

}  // namespace

const Setting* find_setting(std::string_view name) {
  const auto row = std::find_if(std::begin(kSettings), std::end(kSettings),
                                [&](const Setting& setting) { return setting.name == name; });
  return row == std::end(kSettings) ? nullptr : row;
}

std::string variable_of(const Setting& setting) {
  std::string variable = "FERRY_";
  for (const char c : setting.name)
    variable += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return variable;
}

std::string option_of(const Setting& setting) {
  if (!setting.option.empty()) return std::string(setting.option);
  std::string option = "--" + std::string(setting.name);
  std::replace(option.begin(), option.end(), '_', '-');
  return option;
}

std::span<const std::string_view> choices_of(const Setting& setting) {
  const auto end = std::find(setting.choices.begin(), setting.choices.end(), std::string_view());
  return {setting.choices.begin(), end};
}

std::string range_of(const Setting& setting) {
  switch (setting.kind) {
    case Kind::number:
      return fmt::format("{}a number from {} to {}",
                         setting.word.empty() ? "" : fmt::format("{} or ", setting.word),
                         setting.lowest, setting.highest);
    case Kind::choice:
      return fmt::format("one of {}", fmt::join(choices_of(setting), ", "));
    case Kind::text:
      return fmt::format("a text of {} to {} bytes", setting.lowest, setting.highest);
    case Kind::names:
      return fmt::format("names with commas between them, {} bytes at most", setting.highest);
  }
  return "";
}

std::string default_of(const Setting& setting) {
  if (setting.standard.empty()) return std::string(setting.otherwise);
  if (setting.otherwise.empty()) return std::string(setting.standard);
  return fmt::format("{}, {}", setting.standard, setting.otherwise);
}

std::string help_of(const Setting& setting) {
  std::string help(setting.help);
  if (!setting.unit.empty()) help = fmt::format("{}: {}", setting.unit, help);
  help[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(help[0])));
  const bool tell_range = setting.kind == Kind::number || setting.kind == Kind::choice;
  return fmt::format("{} ({}default {})", help, tell_range ? range_of(setting) + "; " : "",
                     default_of(setting));
}

std::vector<std::string> names_in(std::string_view text) {
  std::vector<std::string> names;
  while (true) {
    const size_t begin = text.find_first_not_of(kBetweenNames);
    if (begin == std::string_view::npos) return names;
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(kBetweenNames), text.size());
    names.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

void check_value(const Setting& setting, std::string_view text, std::string_view place) {
  if (is_value(setting, text)) return;
  fail(Errc::usage, "{} is \"{}\", but must be {}", place, text, range_of(setting));
}

}  // namespace ferry
