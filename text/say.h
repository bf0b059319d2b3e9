// What people read on standard error.
#pragma once

#include <string_view>

namespace ferry {

// Writes all of it, or as much as goes: that nobody can read it (a full disk, a closed pipe, a
// terminal that was stopped) ends nothing, and keeps a guest waiting for a moment only.
void say(std::string_view text) noexcept;

}  // namespace ferry
