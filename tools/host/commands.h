// The subcommands that speak to Xen. Each adds itself to the command line.
#pragma once

#include <CLI/CLI.hpp>

namespace ferry::host {

void add_save_command(CLI::App& app);
void add_restore_command(CLI::App& app);
void add_resume_command(CLI::App& app);

}  // namespace ferry::host
