// Where locks, notes and sockets of this host's running programs are.
#include "files/run_directory.h"

#include <sys/stat.h>

#include <cerrno>

#include "error/error.h"
#include "settings/places.h"

namespace ferry {

std::string run_directory() {
  const std::string directory = place<"run_dir">();
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    fail_errno(Errc::io, errno, fmt::format("cannot make {}", directory));
  return directory;
}

}  // namespace ferry
