// Settings (settings/table.h) as options of a command.
#pragma once

#include <CLI/CLI.hpp>

#include "settings/settings.h"

namespace ferry::host {

// Adds the options that the table gives to the command. said takes what the command line says, and
// has to live until it is parsed; a value out of range throws Error(usage) then.
std::vector<CLI::Option*> add_settings(CLI::App& app, Commands command, Settings& said);

// "--bandwidth, --max-downtime": the options of the command.
std::string setting_options(Commands command);

}  // namespace ferry::host
