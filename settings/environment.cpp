// Settings in environment variables.
#include "settings/environment.h"

#include <cstdlib>

namespace ferry {

Settings settings_of_environment() {
  Settings settings;
  for (const Setting& setting : kSettings) {
    const std::string variable = variable_of(setting);
    if (const char* text = std::getenv(variable.c_str())) settings.set(setting, text, variable);
  }
  return settings;
}

std::vector<std::string> as_environment(const Settings& settings) {
  std::vector<std::string> variables;
  for (const Setting& setting : kSettings)
    if (const std::string* text = settings.text_of(setting))
      variables.push_back(variable_of(setting) + "=" + *text);
  return variables;
}

}  // namespace ferry
