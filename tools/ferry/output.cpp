// What the subcommands share about writing.
#include "tools/ferry/output.h"

#include <sys/stat.h>

#include "error/error.h"
#include "text/print.h"

namespace ferry {

void print(std::string_view text) {
  if (const int error = write_out(text))
    fail_errno(Errc::io, error, "cannot write to standard output");
}

void check_other_file(const std::string& from, const std::string& to) {
  struct stat in = {}, out = {};
  if (to == "-" || stat(from.c_str(), &in) != 0 || stat(to.c_str(), &out) != 0) return;
  if (in.st_dev == out.st_dev && in.st_ino == out.st_ino)
    fail(Errc::usage, "{} is what is read: name another file to write", to);
}

}  // namespace ferry
