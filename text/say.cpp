// What people read on standard error.
#include "text/say.h"

#include <cstdio>

namespace ferry {

void say(std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace ferry
