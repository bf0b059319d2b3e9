// What the subcommands share about writing: all of it to standard output, or an error.
#pragma once

#include <string_view>

namespace ferry {

// Throws Error(io) if not all of it could be written.
void print(std::string_view text);

}  // namespace ferry
