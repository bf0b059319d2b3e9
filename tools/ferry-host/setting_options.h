// Settings (settings/table.h) as options of a command.
#pragma once

#include "command_line/command.h"
#include "settings/settings.h"

namespace ferry::host {

// Adds the options that the table gives to the command. said takes what the command line says, and
// has to live until it is parsed; a value out of range throws Error(usage) then.
std::vector<Option> add_settings(Command app, Commands command, Settings& said);

// "--bandwidth, --max-downtime": the options of the command.
std::string setting_options(Commands command);

}  // namespace ferry::host
