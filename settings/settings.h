// Values of settings: checked, and handed on by value to whoever needs them.
//
//   Settings settings = read_settings();            // environment over ferry.conf
//   settings.set<"level">(5);
//   uint64_t ms = settings.get<"max_downtime">();   // what was given, or the default
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "settings/table.h"

namespace ferry {

// A setting's name as a template argument.
template <size_t N>
struct SettingName {
  char text[N] = {};
  consteval SettingName(const char (&name)[N]) { std::copy_n(name, N, text); }
};

// Its row of the table. A name that has none does not compile.
template <SettingName name>
consteval size_t setting_row() {
  for (size_t row = 0; row < std::size(kSettings); ++row)
    if (kSettings[row].name == name.text) return row;
  throw "there is no setting of this name in settings/table.h";
}

class Settings {
  template <SettingName name>
  static constexpr const Setting& kRow = kSettings[setting_row<name>()];

 public:
  // uint64_t for a number, one or nothing where a word can stand for it, a vector of strings for
  // names, a string for the others.
  template <SettingName name>
  using Value = std::conditional_t<
      kRow<name>.kind == Kind::number,
      std::conditional_t<kRow<name>.word.empty(), uint64_t, std::optional<uint64_t>>,
      std::conditional_t<kRow<name>.kind == Kind::names, std::vector<std::string>, std::string>>;

  // What was given, or the default. A setting without a default has find() only.
  template <SettingName name>
  Value<name> get() const {
    static_assert(!kRow<name>.standard.empty(), "a setting without a default: find() it");
    return find<name>().value_or(parse<Value<name>>(kRow<name>.standard));
  }

  // What was given.
  template <SettingName name>
  std::optional<Value<name>> find() const {
    const std::optional<std::string>& text = given_[setting_row<name>()];
    if (!text) return std::nullopt;
    return parse<Value<name>>(*text);
  }

  // The one of meanings that stands where the choice stands in the table.
  template <SettingName name, typename T, size_t N>
  T choose(const T (&meanings)[N]) const {
    static_assert(choices_in(kRow<name>) == N, "a meaning for each choice");
    const auto& choices = kRow<name>.choices;
    return meanings[std::find(choices.begin(), choices.end(), get<name>()) - choices.begin()];
  }

  // Throws Error(usage) if it is out of the setting's range.
  template <SettingName name, typename T>
  void set(const T& value) {
    if constexpr (std::is_arithmetic_v<T>)
      set(kRow<name>, std::to_string(value), name.text);
    else
      set(kRow<name>, value, name.text);
  }

  // Takes the text of a row of kSettings from a place such as "--level" or "FERRY_LEVEL". Throws
  // Error(usage), naming the place.
  void set(const Setting& setting, std::string_view text, std::string_view place);

  // As it was given; null if it was not. setting is a row of kSettings.
  const std::string* text_of(const Setting& setting) const;

  // These, and where nothing was given those.
  Settings over(const Settings& those) const;

 private:
  static consteval size_t choices_in(const Setting& setting) {
    size_t n = 0;
    while (n < setting.choices.size() && !setting.choices[n].empty()) ++n;
    return n;
  }

  // Of a text that was checked.
  template <typename T>
  static T parse(std::string_view text) {
    if constexpr (std::is_same_v<T, uint64_t>)
      return number_in(text);
    else if constexpr (std::is_same_v<T, std::optional<uint64_t>>)
      return is_digit(text.front()) ? std::optional(number_in(text)) : std::nullopt;
    else if constexpr (std::is_same_v<T, std::string>)
      return std::string(text);
    else
      return names_in(text);
  }
  static uint64_t number_in(std::string_view text);
  static constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

  std::array<std::optional<std::string>, std::size(kSettings)> given_;  // by row
};

// What was given, or half of this host's CPUs.
unsigned threads_of(const Settings& settings);

}  // namespace ferry
