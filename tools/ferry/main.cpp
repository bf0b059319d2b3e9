// ferry: one command, with a subcommand for everything that can be done with a saved guest.
#include <string>
#include <vector>

#include <fmt/format.h>

#include "error/run_main.h"
#include "proto/record.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/host_command.h"

namespace ferry {
namespace {

std::string version() {
  return fmt::format("ferry {}\nimage format {}\nhost commands built with Xen {}", FERRY_VERSION,
                     kFormatMajor, FERRY_XEN);
}

int run_command_line(const std::vector<std::string>& words) {
  CommandLine app("Saves, restores, migrates and audits Xen PV guests.", "ferry");
  app.require_command();
  app.add_version(version());
  app.footer(
      "Example: ferry audit web1.ferry\n"
      "Exit codes: 0 done, 1 failed, 2 usage, 3 the image is bad, 4 the guest needs the operator.");
  Exit exit = Exit::done;
  add_audit_command(app, exit);
  add_inspect_command(app, exit);
  add_cat_command(app, exit);
  add_walk_command(app, exit);
  add_core_command(app, exit);
  add_dmesg_command(app, exit);
  add_ps_command(app, exit);
  add_find_command(app, exit);
  add_diff_command(app, exit);
  add_squash_command(app, exit);
  add_verify_command(app, exit);
  add_convert_command(app, exit);
  app.add_help_command();
  for (const HostCommand& command : host_commands())  // only for the list in --help
    app.add_command(command.name, command.what).leave_extra_arguments().group("Host commands");
  app.parse(words);
  return static_cast<int>(exit);
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  return ferry::run_main("ferry", [&] {
    const std::vector<std::string> words = ferry::words_of(argc, argv);
    if (!words.empty() && ferry::is_host_command(words.front())) ferry::run_host_command(words);
    return ferry::run_command_line(words);
  });
}
