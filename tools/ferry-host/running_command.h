// The parts of ferry job that are about saves and migrations while they run.
#pragma once

#include <nlohmann/json.hpp>

#include "command_line/command.h"
#include "host/this_host.h"

namespace ferry::host {

// info, set and cancel.
void add_running_commands(Command job, const OpenHost& open);

// A line for each, or nothing.
std::string running_as_text();
nlohmann::ordered_json running_as_json();

}  // namespace ferry::host
