// ferry resume: brings back a guest that a broken save left suspended.
#include <cstdio>
#include <memory>

#include "error/error.h"
#include "save/domain_lock.h"
#include "tools/host/commands.h"
#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry::host {
namespace {

void resume(const std::string& name) {
  Hypervisor xen;
  Lifecycle life;
  const domid_t domid = life.find(name);
  const DomainLock lock(domid);  // a save that is under way is not broken
  const DomainInfo domain = get_domain(xen, domid);
  if (!domain.suspended)
    fail(Errc::guest, "domain {} is not suspended: there is nothing to resume", raw(domid));
  life.resume(domid);
  fmt::print("domain {} runs again\n", raw(domid));
}

}  // namespace

void add_resume_command(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("resume", "Let a suspended guest go on");
  command->footer(
      "For a guest that was left suspended when a save and whoever started it both died.\n"
      "Never resume a guest that was restored elsewhere: its disks belong to the copy.\n"
      "\nExample:\n  ferry resume web1");
  command->add_option("DOMAIN", *name, "Name or number of the domain")->required();
  command->callback([name] { resume(*name); });
}

}  // namespace ferry::host
