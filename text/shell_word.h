// Words of a command that a sentence names.
#pragma once

#include <string>
#include <string_view>

namespace ferry {

// So that a shell takes it as that one word: as it is, or in single quotes.
std::string shell_word(std::string_view word);

}  // namespace ferry
