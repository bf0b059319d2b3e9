// Text in a page, wherever it comes from: nothing in it is markup.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ferry::html {

inline constexpr size_t kLongestText = 400;  // characters

// Escaped for text and for quoted attributes. What is no UTF-8, controls, and what turns the
// direction of writing become U+FFFD. Of a longer text the beginning, and "…".
std::string escaped(std::string_view text, size_t most = kLongestText);

// "1,234,567"
std::string grouped(uint64_t number);

}  // namespace ferry::html
