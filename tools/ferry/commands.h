// The built-in subcommands: each adds itself to the command line and leaves its exit code behind.
#pragma once

#include "command_line/command.h"
#include "error/error.h"

namespace ferry {

void add_audit_command(Command ferry, Exit& exit);
void add_inspect_command(Command ferry, Exit& exit);
void add_cat_command(Command ferry, Exit& exit);
void add_core_command(Command ferry, Exit& exit);
void add_dmesg_command(Command ferry, Exit& exit);
void add_diff_command(Command ferry, Exit& exit);
void add_ps_command(Command ferry, Exit& exit);
void add_find_command(Command ferry, Exit& exit);
void add_convert_command(Command ferry, Exit& exit);
void add_squash_command(Command ferry, Exit& exit);
void add_verify_command(Command ferry, Exit& exit);
void add_walk_command(Command ferry, Exit& exit);

}  // namespace ferry
