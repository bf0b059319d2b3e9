// What the subcommands share about writing: all of it to standard output, or an error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ferry {

// Throws Error(io) if not all of it could be written.
void print(std::string_view text);

// "1.50 GiB", "12 bytes".
std::string human_bytes(uint64_t bytes);

// Invalid UTF-8 and control bytes become '?', so that a name from an image cannot steer a terminal.
std::string printable(std::string_view text);

}  // namespace ferry
