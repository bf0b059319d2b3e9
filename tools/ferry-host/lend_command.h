// ferry lend: what ferry itself starts, not a person.
#pragma once

#include <CLI/CLI.hpp>

#include "host/this_host.h"

namespace ferry::host {

// As those of commands.h.
void add_lend_command(CLI::App& app, OpenHost open);

}  // namespace ferry::host
