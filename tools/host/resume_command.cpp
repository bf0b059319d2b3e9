// ferry resume: brings back a guest that a broken save left suspended.
#include <cstdio>
#include <memory>

#include "error/error.h"
#include "save/domain_lock.h"
#include "save/suspend_mark.h"
#include "tools/host/commands.h"
#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry::host {
namespace {

void resume(const std::string& name, bool force) {
  Hypervisor xen;
  Lifecycle life;
  const domid_t domid = life.find(name);
  const DomainLock lock(domid);  // a save that is under way is not broken
  const DomainInfo domain = get_domain(xen, domid);
  if (!domain.suspended)
    fail(Errc::guest, "domain {} is not suspended: there is nothing to resume", raw(domid));
  if (!force && !has_suspend_mark(domid, domain.uuid))
    fail(
        Errc::guest,
        "domain {} is suspended, but not by a broken save of ferry; if no copy of it runs anywhere "
        "else, --force resumes it",
        raw(domid));
  life.resume(domid);
  clear_suspend_mark(domid);
  fmt::print("domain {} runs again\n", raw(domid));
}

}  // namespace

void add_resume_command(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  auto force = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("resume", "Let a suspended guest go on");
  command->footer(
      "For a guest that was left suspended when a save and whoever started it both died.\n"
      "Never resume a guest that was restored elsewhere: its disks belong to the copy.\n"
      "\nExample:\n  ferry resume web1");
  command->add_option("DOMAIN", *name, "Name or number of the domain")->required();
  command->add_flag(
      "--force", *force,
      "Resume it whoever suspended it: two running copies of a guest destroy its disks");
  command->callback([name, force] { resume(*name, *force); });
}

}  // namespace ferry::host
