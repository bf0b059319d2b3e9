// The page's style, as style.css has it.
#pragma once

#include <string_view>

namespace ferry::html {

extern const std::string_view kStyle;
// Its SHA-256 in base64, as a content security policy names it.
extern const std::string_view kStyleHash;

}  // namespace ferry::html
