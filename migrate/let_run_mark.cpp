// That this host was about to let the copy of a job run.
#include "migrate/let_run_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "error/error.h"
#include "files/run_directory.h"
#include "io/descriptor.h"

namespace ferry {
namespace {

std::string path_of(const std::string& id) {
  return fmt::format("{}/job-{}.let-run", run_directory(), id);
}

}  // namespace

void leave_let_run_mark(const std::string& id) {
  const std::string path = path_of(id);
  if (!Descriptor(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)))
    fail_errno(Errc::io, errno, fmt::format("cannot make {}", path));
}

bool has_let_run_mark(const std::string& id) {
  const std::string path = path_of(id);
  if (access(path.c_str(), F_OK) == 0) return true;
  if (errno != ENOENT) fail_errno(Errc::io, errno, fmt::format("cannot look at {}", path));
  return false;
}

void clear_let_run_mark(const std::string& id) noexcept {
  try {
    unlink(path_of(id).c_str());
  } catch (const std::exception&) {  // there is no such folder
  }
}

}  // namespace ferry
