// Text from images, guests and peers, made fit for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace ferry {

// The same text with a visible escape for whatever could steer a terminal or hide in a line: "\x1b"
// for control bytes (line ends too) and for each byte that is not UTF-8, "\u202e" for control
// characters beyond ASCII and those that turn the direction of writing. All other letters stay.
std::string printable(std::string_view text);

// True if all of it is UTF-8: shortest forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace ferry
