// Settings in environment variables: from whoever starts a program, and for a save helper, to whom
// libxl hands nothing else on.
#pragma once

#include <string>
#include <vector>

#include "settings/settings.h"

namespace ferry {

// Those that FERRY_… variables of this process give. Throws Error(usage), naming the variable.
Settings settings_of_environment();

// What was given as NAME=VALUE, for a child; its settings_of_environment() are the same.
std::vector<std::string> as_environment(const Settings& settings);

}  // namespace ferry
