// Which run of this host it is: domain numbers mean something only within one.
#pragma once

#include <string>

namespace ferry {

// /proc/sys/kernel/random/boot_id, a uuid as text; all zeros where there is none.
std::string host_boot();

}  // namespace ferry
