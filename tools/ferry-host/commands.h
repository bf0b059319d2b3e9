// The subcommands that speak to Xen. Each adds itself to the command line; on which host it works,
// this one or a simulated one, is its caller's to say, and so are the settings that hold where the
// command line gives none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "command_line/command.h"
#include "custody/resume_guest.h"
#include "custody/save_guest.h"
#include "host/this_host.h"
#include "settings/settings.h"

namespace ferry::host {

using SaveGuest = std::function<SaveReport(const SaveRequest&, const ProgressCallback&)>;
void add_save_command(Command app, const Settings& settings, SaveGuest save);

// name or number, and whether it is forced
using ResumeGuest = std::function<ResumedGuest(const std::string&, bool)>;
void add_resume_command(Command app, ResumeGuest resume);

void add_restore_command(Command app, const Settings& settings);
void add_migrate_command(Command app, const Settings& settings, OpenHost open);
// before: what stands before a command in the command line of this program.
void add_evacuate_command(Command app, const Settings& settings, OpenHost open,
                          std::function<std::vector<std::string>()> before);
void add_receive_command(Command app, const Settings& settings, OpenHost open);
void add_job_command(Command app, OpenHost open);
void add_check_command(Command app, OpenHost open);
void add_estimate_command(Command app, const Settings& settings, OpenHost open);

}  // namespace ferry::host
