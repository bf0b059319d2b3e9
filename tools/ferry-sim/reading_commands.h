// Commands that look into guests, saved or running: they are the program ferry.
#pragma once

#include "tools/ferry-sim/commands.h"

namespace ferry::sim {

// core, dmesg, ps and diff: each becomes ferry, which reads running guests of that host through
// this program.
void add_reading_commands(Command app, HostPath host);

}  // namespace ferry::sim
