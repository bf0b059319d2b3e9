// The built-in subcommands: each adds itself to the command line and leaves its exit code behind.
#pragma once

#include <CLI/CLI.hpp>

#include "error/error.h"

namespace ferry {

void add_audit_command(CLI::App& ferry, Exit& exit);
void add_inspect_command(CLI::App& ferry, Exit& exit);
void add_cat_command(CLI::App& ferry, Exit& exit);
void add_core_command(CLI::App& ferry, Exit& exit);
void add_dmesg_command(CLI::App& ferry, Exit& exit);
void add_diff_command(CLI::App& ferry, Exit& exit);
void add_ps_command(CLI::App& ferry, Exit& exit);
void add_find_command(CLI::App& ferry, Exit& exit);
void add_convert_command(CLI::App& ferry, Exit& exit);
void add_squash_command(CLI::App& ferry, Exit& exit);
void add_verify_command(CLI::App& ferry, Exit& exit);
void add_walk_command(CLI::App& ferry, Exit& exit);

}  // namespace ferry
