// Where locks, notes and sockets of this host's running programs are.
#include "files/run_directory.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "error/error.h"

namespace ferry {

std::string run_directory() {
  const char* set = std::getenv("FERRY_RUN_DIR");
  std::string directory = set ? set : "/run/ferry";
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    fail_errno(Errc::io, errno, fmt::format("cannot make {}", directory));
  return directory;
}

}  // namespace ferry
