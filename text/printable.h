// Text from images, guests and peers, made fit for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace ferry {

// Invalid UTF-8 and control bytes become '?', so that a name from an image cannot steer a terminal.
std::string printable(std::string_view text);

}  // namespace ferry
