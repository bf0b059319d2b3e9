// That this host was about to let the copy of a job run.
#include "migrate/let_run_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "error/error.h"
#include "files/run_directory.h"
#include "io/descriptor.h"
#include "migrate/job_journal.h"

namespace ferry {
namespace {

std::array<std::string, 2> paths_of(const std::string& id) {
  return {fmt::format("{}/job-{}.let-run", run_directory(), id),
          fmt::format("{}/{}.let-run", jobs_folder(), id)};
}

}  // namespace

// Not synced: the journal that is written once it runs syncs the folder. Until then the one that
// was written before says it.
void leave_let_run_mark(const std::string& id) {
  for (const std::string& path : paths_of(id))
    if (!Descriptor(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)))
      fail_errno(Errc::io, errno, fmt::format("cannot make {}", path));
}

bool has_let_run_mark(const std::string& id) {
  for (const std::string& path : paths_of(id)) {
    if (access(path.c_str(), F_OK) == 0) return true;
    if (errno != ENOENT) fail_errno(Errc::io, errno, fmt::format("cannot look at {}", path));
  }
  return false;
}

void clear_let_run_mark(const std::string& id) noexcept {
  try {
    for (const std::string& path : paths_of(id)) unlink(path.c_str());
  } catch (const std::exception&) {  // there is no such folder
  }
}

}  // namespace ferry
