// ferry resume: brings back a guest that a broken save left suspended.
#include <memory>

#include <fmt/format.h>

#include "text/print.h"
#include "tools/ferry-host/commands.h"

namespace ferry::host {

void add_resume_command(Command app, ResumeGuest resume) {
  auto name = std::make_shared<std::string>();
  auto force = std::make_shared<bool>(false);
  Command command = app.add_command("resume", "Let a suspended guest go on");
  command.footer(
      "For a guest that was left suspended when a save and whoever started it both died.\n"
      "An image that such a save has finished is older than the guest then: it goes, or is named.\n"
      "Never resume a guest that was restored elsewhere: its disks belong to the copy.\n"
      "\nExample:\n  ferry resume web1");
  command.add_option("DOMAIN", *name, "Name or number of the domain").required();
  command.add_flag(
      "--force", *force,
      "Resume it whoever suspended it: two running copies of a guest destroy its disks");
  command.callback([name, force, resume = std::move(resume)] {
    const ResumedGuest guest = resume(*name, *force);
    print_report("domain {} {}\n", raw(guest.domid),
                 guest.paused ? "is not suspended any more, and paused, as it was" : "runs again");
  });
}

}  // namespace ferry::host
