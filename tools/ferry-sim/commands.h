// The subcommands of ferry-sim. Each adds itself to the command line; host is the path of the
// simulated host, known once the line is parsed.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "command_line/command.h"

namespace ferry::sim {

using HostPath = std::shared_ptr<std::string>;

void add_guest_commands(Command app, HostPath host);
void add_restore_command(Command app, HostPath host);
void add_demo_command(Command app);

// audit and inspect: the program ferry beside this one. run_ferry() waits for it and gives its exit
// status; exec_ferry() becomes it, with these words.
bool is_image_command(std::string_view name);
void add_image_commands(Command app);  // only for the list in --help
int run_ferry(const std::vector<std::string>& arguments);
[[noreturn]] void exec_ferry(std::vector<std::string> words);

}  // namespace ferry::sim
