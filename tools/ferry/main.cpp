// ferry: one command, with a subcommand for everything that can be done with a saved guest.
#include <cstdio>
#include <new>

#include "tools/ferry/commands.h"
#include "tools/ferry/host_command.h"

namespace ferry {
namespace {

int complain(Exit exit, std::string_view sentence) {
  fmt::print(stderr, "ferry: {}\n", sentence);
  return static_cast<int>(exit);
}

int run_command_line(int argc, char** argv) {
  CLI::App app("Saves, restores, migrates and audits Xen PV guests.", "ferry");
  app.require_subcommand(1);
  app.set_version_flag("--version", "ferry " FERRY_VERSION);
  app.footer(
      "Example: ferry audit web1.ferry\n"
      "Exit codes: 0 done, 1 failed, 2 usage, 3 the image is bad, 4 the guest needs the operator.");
  Exit exit = Exit::done;
  add_audit_command(app, exit);
  add_inspect_command(app, exit);
  add_cat_command(app, exit);
  add_walk_command(app, exit);
  add_convert_command(app, exit);
  for (const HostCommand& command : host_commands())  // only for the list in --help
    app.add_subcommand(command.name, command.what)->prefix_command()->group("Host commands");
  if (argc < 2) return complain(Exit::usage, "which command? (ferry --help lists all)");
  const std::string name = argv[1];
  const auto named = app.get_subcommands([&](CLI::App* sub) { return sub->get_name() == name; });
  if (!name.starts_with('-') && named.empty())
    return complain(Exit::usage,
                    fmt::format("there is no command {} (ferry --help lists all)", name));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return complain(Exit::usage, fmt::format("{} (ferry --help says more)", error.what()));
  }
  return static_cast<int>(exit);
}

int guarded_main(int argc, char** argv) {
  try {
    if (argc > 1 && is_host_command(argv[1])) run_host_command(argv);
    return run_command_line(argc, argv);
  } catch (const Error& error) {
    return complain(exit_code(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return complain(Exit::failed, "not enough memory");
  } catch (const std::exception& error) {
    return complain(Exit::failed, error.what());
  }
}

}  // namespace
}  // namespace ferry

int main(int argc, char** argv) {
  return ferry::guarded_main(argc, argv);
}
