// A simulated host as ferry's migration commands want it.
#pragma once

#include <memory>
#include <string>

#include "host/this_host.h"

namespace ferry::sim {

// make: a new host if there is none in that file.
std::unique_ptr<host::ThisHost> open_for_migration(const std::string& path, bool make);

}  // namespace ferry::sim
