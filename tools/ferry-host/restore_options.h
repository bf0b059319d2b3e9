// What restore takes alike on a host and on a simulated one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "command_line/command.h"
#include "host/restore_config.h"
#include "io/descriptor.h"

namespace ferry::host {

// --base, of a delta.
void add_base_option(Command command, std::vector<std::string>& bases);
void add_memory_option(Command command, RestoreAs& as);
void add_dry_run_option(Command command, bool& dry_run);

// What would be made, once all was looked at that is looked at before there is a domain.
void tell_dry_run(const RestoreConfig& config, const RestoreAs& as, uint64_t guest_bytes,
                  bool paused);

// Opens what is restored while it comes in: "-", or a FIFO, once somebody writes to it. Throws
// Error.
Descriptor open_stream(const std::string& path);

}  // namespace ferry::host
