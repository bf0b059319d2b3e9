// The exception every hosted part of ferry throws, and what it means to the caller of a program.
#include "error/error.h"

#include <cstring>

namespace ferry {

Exit exit_code(Errc code) {
  switch (code) {
    case Errc::usage:
      return Exit::usage;
    case Errc::bad_image:
      return Exit::bad_image;
    case Errc::needs_operator:
      return Exit::needs_operator;
    default:
      return Exit::failed;
  }
}

void fail_errno(Errc code, int os_errno, std::string_view sentence) {
  throw Error(code, fmt::format("{}: {}", sentence, std::strerror(os_errno)), os_errno);
}

}  // namespace ferry
