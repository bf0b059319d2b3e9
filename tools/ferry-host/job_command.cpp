// ferry job: migrations that were broken off; those that run are running_command.h's.
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "custody/host_boot.h"
#include "error/run_main.h"
#include "host/other_host.h"
#include "migrate/guest_names.h"
#include "migrate/send_guest.h"
#include "settings/environment.h"
#include "text/printable.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/running_command.h"

namespace ferry::host {
namespace {

struct Arguments {
  std::string id;
  bool all = false, json = false, force = false;
};

std::string state_for_people(const MigrationJob& job) {
  const bool broken_off = !job.settled() && !writer_runs(job);
  return job.state_name() + (broken_off ? ", broken off" : "");
}

void list(const Arguments& arguments) {
  std::vector<MigrationJob> jobs = list_jobs(arguments.all);
  for (const MigrationJob& job : jobs)
    if (!job.problem.empty()) complain("ferry", job.problem);
  std::erase_if(jobs, [](const MigrationJob& job) { return job.state == 0; });  // not even that
  if (arguments.json) {
    nlohmann::ordered_json result = nlohmann::ordered_json::array();
    for (const MigrationJob& job : jobs)
      result.push_back({{"id", job.id},
                        {"domain", job.name},
                        {"side", job.source ? "source" : "destination"},
                        {"state", job.state_name()},
                        {"settled", job.settled()},
                        {"worked_on", !job.settled() && writer_runs(job)},
                        {"peer", job.peer.text}});
    const nlohmann::ordered_json all = {{"running", running_as_json()}, {"jobs", result}};
    fmt::print("{}\n", json_text(all));
    return;
  }
  fmt::print("{}", running_as_text());
  fmt::print("{:<33} {:<12} {:<25} {:<20} {}\n", "ID", "Side", "State", "Domain", "Peer");
  for (const MigrationJob& job : jobs)
    fmt::print("{:<33} {:<12} {:<25} {:<20} {}\n", job.id, job.source ? "source" : "destination",
               state_for_people(job), printable(job.name), printable(job.peer.text));
}

// A guest may be suspended for a job that cannot be worked on.
std::optional<MigrationJob> readable_job(const std::string& id, bool source) {
  try {
    return find_job(id, source);
  } catch (const Error& e) {
    if (e.code() == Errc::unsupported) fail(Errc::needs_operator, "{}", e.what());
    if (e.code() != Errc::io) throw;
    fail(Errc::needs_operator,
         "{}; only if the guest is suspended here and surely runs nowhere else, try: ferry resume "
         "--force, with its name",
         e.what());
  }
}

MigrationJob source_job(const std::string& id) {
  if (auto job = readable_job(id, true)) return std::move(*job);
  if (readable_job(id, false))
    fail(Errc::usage, "job {} came to this host; it is settled on the host that sent it", id);
  fail(Errc::usage, "there is no job {}; ferry job list shows those there are", id);
}

std::string sentence(Settled settled, const MigrationJob& job) {
  const std::string name = printable(job.name), peer = printable(job.peer.text);
  switch (settled) {
    case Settled::runs_there:
      return fmt::format("{} runs there", name);
    case Settled::runs_here:
      return fmt::format("{} runs here", name);
    case Settled::given_up:
      return fmt::format("{} is given up here; nobody has said that it runs on {}", name, peer);
    case Settled::was_given_away:
      return fmt::format("job {} is settled: {} was given to {}", job.id, name, peer);
    case Settled::was_taken_back:
      break;
  }
  return fmt::format("job {} is settled: {} was taken back, and is not here any more", job.id,
                     name);
}

void settle(ThisHost& host, const MigrationJob& job, Wanted wanted) {
  std::unique_ptr<OtherHost> other;
  std::unique_ptr<OtherHost::CutOnSignals> stop;
  const Connect connect = [&]() -> Link& {
    other = call(job.peer);
    stop = other->cut_on_signals();
    return other->link();
  };
  const Settled settled = settle_sent_guest(host.xen(), host.life(), connect, job, wanted,
                                            handover_limits(settings_of_environment()));
  fmt::print("{}\n", sentence(settled, job));
}

void resume(const Arguments& arguments, const OpenHost& open) {
  const MigrationJob job = source_job(arguments.id);
  settle(*open(), job, arguments.force ? Wanted::there_by_force : Wanted::anywhere);
}

bool is_copy_of_another_job(const DomainHere& domain, const MigrationJob& job) {
  for (const MigrationJob& one : list_jobs(false))
    if (!one.source && one.id != job.id && one.uuid == job.uuid && one.copy &&
        one.copy->domid == domain.domid && one.copy->boot == host_boot())
      return true;
  return false;
}

// What looks like its copy, and was not noted as one when it was made.
void tell_look_alike(Lifecycle& life, const MigrationJob& job) {
  const auto alike = find_named(life, incoming_name(job.name), job.uuid);
  if (!alike || is_copy_of_another_job(*alike, job)) return;
  fail(Errc::needs_operator,
       "job {} is {}; domain {} ({}) has the uuid of {}, and nothing here says that the job made it: "
       "it is left as it is; only if it surely is nobody's, try: xl destroy {}",
       job.id, job.state_name(), raw(alike->domid), alike->name, job.name, raw(alike->domid));
}

// What is true now, also of one that could not be thrown away.
void tell_given_up(const MigrationJob& job, IncomingGuest& guest) {
  if (job.destination_state() == DestinationState::may_have_run)
    fail(Errc::needs_operator,
         "{0} is not here any more, and was let run here, or was about to be: nobody knows whether "
         "it ran; look at its disks, then settle job {1} on its source; there, try: ferry job "
         "resume {1}",
         job.name, job.id);
  fmt::print("job {} is {}{}\n", job.id, job.state_name(),
             job.destination_state() == DestinationState::runs && guest.present()
                 ? fmt::format(": {} has run here, and its copy stays as it is",
                               printable(job.name))
                 : "");
}

// On the host it came to: what of it is here goes, as if it had never come.
void give_up_received(ThisHost& host, const MigrationJob& known, bool force) {
  const auto lock = lock_job(known.id, false);
  if (!lock) fail(Errc::busy, "another process still serves job {}", known.id);
  const MigrationJob job = find_job(known.id, false).value_or(known);  // it may have gone on
  const DestinationState state = job.destination_state();
  if (job.settled()) fail(Errc::usage, "job {} is settled: {}", job.id, job.state_name());
  struct Nobody final : HandoverOutbox {
    void send(HandoverMessage) override {}
  } nobody;
  const std::unique_ptr<IncomingGuest> guest = host.incoming(job);
  // After a go only what is to be seen here is noted, unless the copy is here and has not run.
  const bool only_noted = state == DestinationState::may_have_run ||
                          (state == DestinationState::about_to_run &&
                           (!guest->present() || guest->has_run()));
  if (state != DestinationState::receiving && !only_noted && !force)
    fail(Errc::usage,
         "{} is here as a whole, and its source may have given it away for good: settle job {} "
         "there "
         "(--force destroys this copy, which may be the only one)",
         job.name, job.id);
  JobJournal journal(job);
  DestinationHandover handover(state, journal, *guest, nobody);
  if (state == DestinationState::receiving)
    handover.link_lost();
  else
    handover.on(HandoverMessage::forget);
  tell_given_up(journal.job(), *guest);
  if (journal.job().destination_state() == DestinationState::never_ran)
    tell_look_alike(host.life(), journal.job());
}

void abort_job(const Arguments& arguments, const OpenHost& open) {
  if (const auto received = readable_job(arguments.id, false);
      received && !readable_job(arguments.id, true))
    return give_up_received(*open(), *received, arguments.force);
  const MigrationJob job = source_job(arguments.id);
  const auto host = open();
  if (!arguments.force && job.source_state() == SourceState::given_away)
    return settle(*host, job, Wanted::here);
  take_back_sent_guest(host->xen(), host->life(), job, arguments.force);
  fmt::print("{} runs here\n", printable(job.name));
}

}  // namespace

void add_job_command(CLI::App& app, OpenHost open) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* job =
      app.add_subcommand("job", "Saves and migrations: those that run, those that were broken off");
  job->require_subcommand(1);
  job->footer("Example:\n  ferry job list\n  ferry job resume 0123456789abcdef0123456789abcdef");

  add_running_commands(*job, open);
  CLI::App* command = job->add_subcommand("list", "Those that run, and those that are not settled");
  command->add_flag("--all", arguments->all, "Settled ones too");
  command->add_flag("--json", arguments->json, "Print them as JSON");
  command->callback([arguments] { list(*arguments); });

  command = job->add_subcommand("resume",
                                "Ask the other host, and finish: the guest runs there, or here");
  command->add_option("ID", arguments->id, "The job")->required();
  command->add_flag(
      "--force", arguments->force,
      "It shall run on the other host, though it is gone here, or nobody knows whether "
      "it ran there");
  command->footer("Example:\n  ferry job resume 0123456789abcdef0123456789abcdef");
  command->callback([arguments, open] { resume(*arguments, open); });

  command = job->add_subcommand("abort", "Take the guest back, if it has not run there");
  command->add_option("ID", arguments->id, "The job")->required();
  command->add_flag(
      "--force", arguments->force,
      "Without asking the other host: if the guest runs there too, both copies destroy "
      "its disks");
  command->callback([arguments, open] { abort_job(*arguments, open); });
}

}  // namespace ferry::host
