// What the subcommands share about writing.
#include "tools/ferry/output.h"

#include <cerrno>
#include <cstdio>

#include "error/error.h"

namespace ferry {

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    fail_errno(Errc::io, errno, "cannot write to standard output");
}

}  // namespace ferry
