// ferry-sim: ferry over simulated hosts, for whoever has no Xen.
#include <signal.h>

#include <thread>

#include "custody/resume_guest.h"
#include "error/run_main.h"
#include "host/engine_here.h"
#include "migrate/open_job.h"
#include "settings/environment.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/lend_command.h"
#include "tools/ferry-sim/commands.h"
#include "tools/ferry-sim/migrate_host.h"
#include "tools/ferry-sim/reading_commands.h"
#include "tools/ferry-sim/sim_host.h"

namespace ferry::sim {
namespace {

SaveReport save(const std::string& path, const SaveRequest& request,
                const ProgressCallback& progress) {
  SimHost host(path, false);
  const auto executor = make_thread_executor(threads_of(request.settings));
  return save_guest(host.xen(), host.life(), host::stoppable_engine_here(host.xen(), *executor),
                    request, progress);
}

void add_ferrys_own(Command app, const Settings& settings, HostPath path) {
  host::add_save_command(app, settings,
                         [path](const SaveRequest& request, const ProgressCallback& progress) {
                           return save(*path, request, progress);
                         });
  host::add_resume_command(app, [path](const std::string& name, bool force) {
    SimHost host(*path, false);
    return resume_guest(host.xen(), host.life(), name, force, {refuse_open_job, was_taken_back});
  });
  const auto source = [path] { return open_for_migration(*path, false); };
  host::add_migrate_command(app, settings, source);
  host::add_evacuate_command(app, settings, source, [path] {
    return std::vector<std::string>{"--host", *path};
  });
  host::add_receive_command(app, settings, [path] { return open_for_migration(*path, true); });
  host::add_job_command(app, source);
  host::add_lend_command(app, source);
  host::add_check_command(app, source);
  host::add_estimate_command(app, settings, source);
}

int run(int argc, char** argv) {
  const std::vector<std::string> words = words_of(argc, argv);
  if (!words.empty() && is_image_command(words.front())) exec_ferry(words);
  const Settings settings = settings_of_environment();
  CommandLine app("ferry over a simulated Xen host in a file.", "ferry-sim");
  app.require_command();
  app.footer(
      "Example:\n  ferry-sim create web1\n  ferry-sim run web1\n  ferry-sim save web1 web1.ferry\n"
      "  ferry-sim audit web1.ferry\n  ferry-sim restore web1.ferry\n  ferry-sim run web1");
  auto host = std::make_shared<std::string>("ferry-sim.host");
  app.add_option("--host", *host, "The host's file (default ferry-sim.host)")
      .envname("FERRY_SIM_HOST");
  app.callback_before_commands([settings, host] { keep_files_beside(*host, settings); });
  add_demo_command(app);
  add_guest_commands(app, host);
  add_ferrys_own(app, settings, host);
  add_restore_command(app, host);
  add_image_commands(app);
  add_reading_commands(app, host);
  app.add_help_command();
  app.parse(words);
  return static_cast<int>(Exit::done);
}

}  // namespace
}  // namespace ferry::sim

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  return ferry::run_main("ferry-sim", [&] { return ferry::sim::run(argc, argv); });
}
