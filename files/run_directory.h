// Where locks, notes and sockets of this host's running programs are.
#pragma once

#include <string>

namespace ferry {

// place<"run_dir">() (settings/places.h), made (mode 0700) if it is not there. Throws Error(io).
std::string run_directory();

}  // namespace ferry
