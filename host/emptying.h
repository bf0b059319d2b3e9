// While this host is emptied it takes no guest, and one command at a time empties it.
#pragma once

#include "files/file_lock.h"

namespace ferry::host {

// As long as it is held, is_being_emptied(). Throws Error(busy) if another process has it.
FileLock start_emptying();

// For whoever receives guests; whatever the reason is that it cannot be told, the host is open.
bool is_being_emptied() noexcept;

}  // namespace ferry::host
