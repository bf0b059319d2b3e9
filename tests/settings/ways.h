// The ways in which a setting is given, each as an operator would.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "settings/settings.h"

namespace ferry {

struct Way {
  std::string name;
  std::function<bool(const Setting&)> takes;
  // What the setting is called there, when its value is wrong.
  std::function<std::string(const Setting&)> place;
  // Gives it this value: what came of it, or the sentence that it was refused with.
  std::function<std::string(const Setting&, const std::string&)> give;
};

// Where give() answers with the value that was taken; of the control socket, that is what it now
// goes by.
std::vector<Way> all_ways();

// Values at the ends of the range, and such as are beyond it.
std::vector<std::string> good_values(const Setting& setting);
std::vector<std::string> bad_values(const Setting& setting);

// The commands with their names; a setting is an option of some of them.
std::vector<std::pair<Commands, std::string>> all_commands();

}  // namespace ferry
