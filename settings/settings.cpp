// Values of settings.
#include "settings/settings.h"

#include <charconv>
#include <thread>

namespace ferry {

void Settings::set(const Setting& setting, std::string_view text, std::string_view place) {
  check_value(setting, text, place);
  given_[static_cast<size_t>(&setting - kSettings)] = std::string(text);
}

const std::string* Settings::text_of(const Setting& setting) const {
  const std::optional<std::string>& text = given_[static_cast<size_t>(&setting - kSettings)];
  return text ? &*text : nullptr;
}

Settings Settings::over(const Settings& those) const {
  Settings all = *this;
  for (size_t row = 0; row < given_.size(); ++row)
    if (!all.given_[row]) all.given_[row] = those.given_[row];
  return all;
}

uint64_t Settings::number_in(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

unsigned threads_of(const Settings& settings) {
  if (const auto threads = settings.find<"threads">()) return static_cast<unsigned>(*threads);
  return std::max(1u, std::thread::hardware_concurrency() / 2);
}

}  // namespace ferry
