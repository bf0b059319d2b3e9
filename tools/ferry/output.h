// What the subcommands share about writing: all of it to standard output, or an error.
#pragma once

#include <string>
#include <string_view>

namespace ferry {

// Throws Error(io) if not all of it could be written.
void print(std::string_view text);

// Throws Error(usage) if what is to be written would replace what is read: an image may be all that
// is left of a guest.
void check_other_file(const std::string& from, const std::string& to);

}  // namespace ferry
