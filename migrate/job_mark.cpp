// What a host has done about a job's guest, apart from the job's journal.
#include "migrate/job_mark.h"

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

std::array<std::string, 2> paths_of(const std::string& id, JobMark mark) {
  const char* what = mark == JobMark::let_run ? "let-run" : "given-away";
  return {fmt::format("{}/job-{}.{}", run_directory(), id, what),
          fmt::format("{}/{}.{}", jobs_folder(), id, what)};
}

}  // namespace

// Not synced: the next state of the journal is, with its folder. Until then the one that was
// written before says it.
void leave_job_mark(const std::string& id, JobMark mark) {
  for (const std::string& path : paths_of(id, mark))
    if (!Descriptor(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)))
      fail_errno(Errc::io, errno, fmt::format("cannot make {}", path));
}

bool has_job_mark(const std::string& id, JobMark mark) {
  for (const std::string& path : paths_of(id, mark)) {
    if (access(path.c_str(), F_OK) == 0) return true;
    if (errno != ENOENT) fail_errno(Errc::io, errno, fmt::format("cannot look at {}", path));
  }
  return false;
}

void clear_job_mark(const std::string& id, JobMark mark) noexcept {
  try {
    for (const std::string& path : paths_of(id, mark)) unlink(path.c_str());
  } catch (const std::exception&) {  // there is no such folder
  }
}

}  // namespace ferry
