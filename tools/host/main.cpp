// ferry-host: the subcommands of ferry that speak to Xen. ferry runs it; people run ferry.
#include <signal.h>

#include <cstdio>

#include "error/error.h"
#include "tools/host/commands.h"

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Save, restore and migrate Xen PV guests", "ferry"};
  app.require_subcommand(1);
  ferry::host::add_save_command(app);
  ferry::host::add_restore_command(app);
  ferry::host::add_resume_command(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : static_cast<int>(ferry::Exit::usage);
  } catch (const ferry::Error& e) {
    fmt::print(stderr, "ferry: {}\n", e.what());
    return static_cast<int>(ferry::exit_code(e.code()));
  } catch (const std::exception& e) {
    fmt::print(stderr, "ferry: {}\n", e.what());
    return static_cast<int>(ferry::Exit::failed);
  }
}
