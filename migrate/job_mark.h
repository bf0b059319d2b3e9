// What a host has done about a job's guest, apart from the job's journal, which somebody may put
// back from a backup or lose. Each mark is in two places: what brings a whole folder back to what
// it was leaves the one in run_dir alone, which lasts as long as this run of the host, and what
// brings back files leaves the one beside the journals.
#pragma once

#include <string>

namespace ferry {

enum class JobMark {
  given_away,  // at its source: about to be set aside, and then a go may be said
  let_run,     // at its destination: about to run
};

// id: of the job. Empty files, mode 0600. Throws Error(io).
void leave_job_mark(const std::string& id, JobMark mark);
bool has_job_mark(const std::string& id, JobMark mark);
// Removes it, if there is one.
void clear_job_mark(const std::string& id, JobMark mark) noexcept;

}  // namespace ferry
