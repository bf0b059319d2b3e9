// ferry lend: what ferry itself starts, not a person.
#pragma once

#include "command_line/command.h"
#include "host/this_host.h"

namespace ferry::host {

// As those of commands.h.
void add_lend_command(Command app, OpenHost open);

}  // namespace ferry::host
