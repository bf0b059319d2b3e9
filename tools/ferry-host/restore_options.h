// What restore takes alike on a host and on a simulated one.
#pragma once

#include <string>
#include <vector>

#include "command_line/command.h"
#include "host/restore_config.h"
#include "io/descriptor.h"

namespace ferry::host {

// --base, of a delta.
void add_base_option(Command command, std::vector<std::string>& bases);
void add_memory_option(Command command, RestoreAs& as);

// Opens what is restored while it comes in: "-", or a FIFO, once somebody writes to it. Throws
// Error.
Descriptor open_stream(const std::string& path);

}  // namespace ferry::host
