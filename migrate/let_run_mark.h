// That this host was about to let the copy of a job run: kept apart from the job's journal, where a
// backup of the journals does not bring back what was before. It lasts as long as this run of the
// host does.
#pragma once

#include <string>

namespace ferry {

// id: of the job. An empty file in run_directory(), mode 0600. Throws Error(io).
void leave_let_run_mark(const std::string& id);
bool has_let_run_mark(const std::string& id);
// Removes it, if there is one.
void clear_let_run_mark(const std::string& id) noexcept;

}  // namespace ferry
