// ferry evacuate: all guests of this host to other hosts.
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/json_text.h"
#include "error/error.h"
#include "evacuate/checking.h"
#include "evacuate/migrate_children.h"
#include "evacuate/table.h"
#include "host/emptying.h"
#include "host/other_host.h"
#include "host/stop_signals.h"
#include "settings/environment.h"
#include "text/print.h"
#include "text/printable.h"
#include "text/say.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/setting_options.h"

namespace ferry::host {
namespace {

using evacuate::LocalGuest;
using evacuate::Row;

struct EvacuateArguments {
  std::vector<std::string> via, except;
  bool dry_run = false, json = false, quiet = false;
  Settings said;
};

std::string this_hosts_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, sizeof name - 1) == 0 && *name ? name : "here";
}

std::vector<Peer> destinations(const EvacuateArguments& arguments, const Settings& settings) {
  std::vector<Peer> hosts;
  const std::vector<std::string> none;
  for (const std::string& name : settings.find<"evacuate_to">().value_or(none))
    hosts.push_back(peer_named(name, ""));
  for (const std::string& command : arguments.via) hosts.push_back(peer_named("", command));
  if (hosts.empty()) fail(Errc::usage, "say where the guests go: --to HOST,HOST…, or --via");
  return hosts;
}

std::vector<LocalGuest> that_can_go(const std::vector<LocalGuest>& guests) {
  std::vector<LocalGuest> going;
  std::copy_if(guests.begin(), guests.end(), std::back_inserter(going),
               [](const LocalGuest& guest) { return guest.stays.empty(); });
  return going;
}

// Here now, and not among those that were, by whatever number.
std::vector<LocalGuest> that_came(const std::vector<LocalGuest>& before,
                                  const std::vector<LocalGuest>& now) {
  std::vector<LocalGuest> came;
  for (const LocalGuest& guest : now)
    if (std::none_of(before.begin(), before.end(), [&](const LocalGuest& known) {
          return known.domid == guest.domid || known.uuid == guest.uuid;
        }))
      came.push_back(guest);
  return came;
}

// A guest that was not here any more under its number may have rebooted.
void note_reboots(std::vector<evacuate::Outcome>& outcomes, const std::vector<LocalGuest>& now) {
  for (evacuate::Outcome& outcome : outcomes) {
    const auto again = std::find_if(now.begin(), now.end(), [&](const LocalGuest& guest) {
      return guest.uuid == outcome.guest.uuid;
    });
    if (outcome.fate != evacuate::Fate::gone || again == now.end()) continue;
    outcome.fate = evacuate::Fate::stays;
    outcome.guest.domid = again->domid;
    outcome.reasons.emplace_back("it rebooted meanwhile");
  }
}

// What no host takes is told before the first guest moves.
void tell_what_cannot_go(const std::vector<evacuate::Outcome>& checked, bool quiet) {
  for (const evacuate::Outcome& outcome : checked)
    if (outcome.fate == evacuate::Fate::stays && !quiet)
      say(fmt::format("check: {}: {}\n", printable(outcome.guest.name),
                      printable(fmt::format("{}", fmt::join(outcome.reasons, "; ")))));
}

[[noreturn]] void fail_incomplete(const std::vector<Row>& rows, bool checked) {
  const auto counted = [](const std::vector<std::string>& names) {
    return fmt::format("{} guest{}", names.size(), names.size() == 1 ? "" : "s");
  };
  const auto stayed = still_here(rows), asked = for_the_operator(rows);
  const std::string how = checked              ? "cannot go"
                          : stayed.size() == 1 ? "is still here"
                                               : "are still here";
  if (asked.empty()) fail(Errc::guest, "{} {}: {}", counted(stayed), how, fmt::join(stayed, ", "));
  std::string why;
  for (const Row& row : rows)
    if (row.fate == evacuate::Fate::needs_operator && why.empty() && !row.reasons.empty())
      why = row.reasons.back();
  fail(Errc::needs_operator, "{} of this host need{} the operator ({}){}: {}", counted(asked),
       asked.size() == 1 ? "s" : "", fmt::join(asked, ", "),
       stayed.empty()
           ? std::string()
           : fmt::format(", and {} {} ({})", counted(stayed), how, fmt::join(stayed, ", ")),
       why);
}

void print(const EvacuateArguments& arguments, const std::vector<Row>& rows) {
  const std::string text = arguments.json ? json_text(as_json(rows, arguments.dry_run)) + "\n"
                                          : as_text(rows, arguments.dry_run);
  arguments.dry_run ? answer_with(text) : report_that(text);
}

void evacuate_host(const EvacuateArguments& arguments, const Settings& settings, ThisHost& host,
                   const std::vector<std::string>& before) {
  const std::vector<Peer> peers = destinations(arguments, settings);
  std::vector<std::string> hosts;
  for (const Peer& peer : peers) hosts.push_back(peer.text);
  const auto parallel = static_cast<unsigned>(settings.get<"evacuate_parallel">());
  const FileLock emptying = start_emptying();
  const std::vector<LocalGuest> guests =
      evacuate::guests_here(host.xen(), host.life(), arguments.except);
  const std::vector<LocalGuest> going = that_can_go(guests);
  const bool quiet = arguments.quiet || arguments.json;
  const auto around =
      evacuate::migrate_children(host, {before, as_environment(arguments.said), peers, quiet});

  evacuate::Checking checking(*around, peers.size());
  std::vector<evacuate::Outcome> outcomes = evacuate::evacuate(going, hosts, parallel, checking);
  std::vector<LocalGuest> came;
  if (!arguments.dry_run) {
    tell_what_cannot_go(outcomes, quiet);
    outcomes = evacuate::evacuate(going, hosts, parallel, *around);
    const std::vector<LocalGuest> now = evacuate::guests_here(host.xen(), host.life());
    note_reboots(outcomes, now);
    came = that_came(guests, now);
  }
  const std::vector<Row> all = rows(guests, outcomes, came, this_hosts_name(), hosts);
  print(arguments, all);
  if (!still_here(all).empty() || !for_the_operator(all).empty())
    fail_incomplete(all, arguments.dry_run);
}

}  // namespace

void add_evacuate_command(Command app, const Settings& settings, OpenHost open,
                          std::function<std::vector<std::string>()> before) {
  auto arguments = std::make_shared<EvacuateArguments>();
  Command command =
      app.add_command("evacuate", "Move all running PV guests of this host to other hosts");
  command.footer(
      "Every guest is asked for at every host first. Then some at a time move, each as ferry "
      "migrate\n"
      "would move it, to the host with the most memory left. What fails is tried at the next host; "
      "the\n"
      "others go on. Ctrl-C and SIGTERM start no further one, and take back those that can be.\n"
      "Meanwhile this host takes no guest from others. At the end a table says what is where.\n"
      "Exit code 0 only if no guest is left here but domain 0 and those of --except; 1 if some are "
      "and\n"
      "run here; 4 if one needs the operator.\n"
      "\nExamples:\n  ferry evacuate --to host2.example,host3.example\n"
      "  ferry evacuate --to host2.example --dry-run\n"
      "  ferry evacuate --via 'ssh host2 ferry receive --stdio' --except router");
  add_settings(command, kEvacuate, arguments->said);
  command.add_option("--via", arguments->via,
                     "One more destination: a command whose standard input and output reach ferry "
                     "receive --stdio there (repeatable)");
  command.add_option("--except", arguments->except,
                     "A guest that is to stay: its name or number (repeatable)");
  command.add_flag("--dry-run", arguments->dry_run, "Only ask; nothing is moved");
  command.add_flag("--json", arguments->json, "Print the table as JSON");
  command.add_flag("--quiet", arguments->quiet, "Print the table and errors only");
  command.callback([arguments, settings, open = std::move(open), before = std::move(before)] {
    evacuate_host(*arguments, arguments->said.over(settings), *open(), before());
  });
}

}  // namespace ferry::host
