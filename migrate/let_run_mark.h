// That this host was about to let the copy of a job run, apart from the job's journal, which
// somebody may put back from a backup. It is in two places: what brings a whole folder back to what
// it was leaves the one in run_dir alone, which lasts as long as this run of the host, and what
// brings back files leaves the one beside the journals.
#pragma once

#include <string>

namespace ferry {

// id: of the job. Empty files, mode 0600. Throws Error(io).
void leave_let_run_mark(const std::string& id);
bool has_let_run_mark(const std::string& id);
// Removes it, if there is one.
void clear_let_run_mark(const std::string& id) noexcept;

}  // namespace ferry
