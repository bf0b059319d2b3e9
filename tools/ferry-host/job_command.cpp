// ferry job: migrations that were broken off; those that run are running_command.h's.
#include <exception>
#include <functional>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "custody/host_boot.h"
#include "error/run_main.h"
#include "host/other_host.h"
#include "migrate/guest_names.h"
#include "migrate/same_guest.h"
#include "migrate/send_guest.h"
#include "settings/environment.h"
#include "text/print.h"
#include "text/printable.h"
#include "tools/ferry-host/commands.h"
#include "tools/ferry-host/damaged_journal.h"
#include "tools/ferry-host/running_command.h"

namespace ferry::host {
namespace {

struct JobArguments {
  std::string id;
  bool all = false, json = false, force = false;
};

std::string state_for_people(const MigrationJob& job) {
  const bool broken_off = !job.settled() && !writer_runs(job);
  return job.state_name() + (broken_off ? ", broken off" : "");
}

nlohmann::ordered_json jobs_as_json(const std::vector<MigrationJob>& jobs) {
  nlohmann::ordered_json result = nlohmann::ordered_json::array();
  for (const MigrationJob& job : jobs)
    result.push_back({{"id", job.id},
                      {"domain", job.name},
                      {"side", job.source ? "source" : "destination"},
                      {"state", job.state_name()},
                      {"settled", job.settled()},
                      {"worked_on", !job.settled() && writer_runs(job)},
                      {"peer", job.peer.text}});
  return {{"running", running_as_json()}, {"jobs", result}};
}

std::string jobs_as_text(const std::vector<MigrationJob>& jobs) {
  constexpr auto kRow = "{:<33} {:<12} {:<25} {:<20} {}\n";
  std::string text = fmt::format(kRow, "ID", "Side", "State", "Domain", "Peer");
  for (const MigrationJob& job : jobs)
    text += fmt::format(kRow, job.id, job.source ? "source" : "destination", state_for_people(job),
                        printable(job.name), printable(job.peer.text));
  return text;
}

void list(const JobArguments& arguments) {
  std::vector<MigrationJob> jobs = list_jobs(arguments.all);
  for (const MigrationJob& job : jobs)
    if (!job.problem.empty()) complain("ferry", job.problem);
  std::erase_if(jobs, [](const MigrationJob& job) { return job.state == 0; });  // not even that
  if (arguments.json)
    print_answer("{}\n", json_text(jobs_as_json(jobs)));
  else
    print_answer("{}{}", running_as_text(), jobs_as_text(jobs));
}

// A guest may be suspended for a job that cannot be worked on.
std::optional<MigrationJob> readable_job(const std::string& id, bool source, const OpenHost& open) {
  try {
    return find_job(id, source);
  } catch (const Error& e) {
    if (e.code() == Errc::unsupported) fail(Errc::needs_operator, "{}", e.what());
    if (e.code() != Errc::io) throw;
    fail_damaged_journal(*open(), id, source, e);
  }
}

MigrationJob source_job(const std::string& id, const OpenHost& open) {
  if (auto job = readable_job(id, true, open)) return std::move(*job);
  const auto received = readable_job(id, false, open);
  if (received && received->settled())
    fail(Errc::usage,
         "job {0} came to this host and is settled here ({1}); if it is still open on {2}: there, "
         "ferry job resume {0}",
         id, received->state_name(), source_of(*received));
  if (received)
    fail(Errc::usage,
         "job {0} came to this host; it is settled on {1}: there, ferry job resume {0}; only if "
         "that is gone for good, and the guest surely runs nowhere else: here, try: ferry job "
         "resume --force {0}",
         id, source_of(*received));
  fail(Errc::usage, "there is no job {}; ferry job list shows those there are", id);
}

// Of what belongs to the job on this host.
enum class Stands { gone, still, runs };

Stands as_it_stands(ThisHost& host, const MigrationJob& job) {
  Stands stands = Stands::gone;
  for (const DomainHere& domain : host.life().with_uuid(job.uuid)) {
    const bool its = job.boot.empty() || raw(domain.domid) == job.domid;
    if (domain.runs() || (its && !domain.ended)) return Stands::runs;  // or is paused, as it was
    stands = Stands::still;
  }
  return stands;
}

// Why a command failed that was to settle the job. If the guest runs nowhere then, or nobody knows,
// that is for the operator, whatever it was that failed.
[[noreturn]] void fail_unsettled(ThisHost& host, const MigrationJob& job,
                                 const std::exception& why) {
  Stands stands = Stands::still;
  try {
    stands = as_it_stands(host, job);
  } catch (const std::exception&) {
    // Xen cannot be asked: then nobody knows.
  }
  if (stands == Stands::runs || (stands == Stands::gone && job.settled())) throw;
  fail(Errc::needs_operator, "{}; {}; once that is put right, here, try: ferry job resume {}",
       why.what(),
       stands == Stands::gone
           ? fmt::format("{} is not here any more, and the copy on {} may be the only one",
                         job.name, job.peer.text)
           : fmt::format("{} is suspended here and does not run", job.name),
       job.id);
}

void settling(ThisHost& host, const MigrationJob& job, const std::function<void()>& settle) {
  try {
    settle();
  } catch (const Error& e) {
    // Whoever works on it says what becomes of it.
    if (exit_code(e.code()) != Exit::failed || e.code() == Errc::busy) throw;
    fail_unsettled(host, job, e);
  } catch (const std::exception& e) {
    fail_unsettled(host, job, e);
  }
}

std::string sentence(const SettledJob& settled, const MigrationJob& job) {
  const std::string name = printable(job.name), peer = printable(job.peer.text);
  switch (settled.what) {
    case Settled::runs_there:
    case Settled::runs_here:
      return fmt::format("{} {}", name, printable(settled.how));
    case Settled::given_up:
      return fmt::format("{} is given up here; nobody has said that it runs on {}", name, peer);
    case Settled::was_given_away:
      return fmt::format("job {} is settled: {} was given to {}", job.id, name, peer);
    case Settled::was_taken_back:
      break;
  }
  return fmt::format("job {} is settled: {} was taken back, and {}", job.id, name,
                     printable(settled.how));
}

void settle(ThisHost& host, const MigrationJob& job, Wanted wanted) {
  std::unique_ptr<OtherHost> other;
  std::unique_ptr<OtherHost::CutOnSignals> stop;
  const Connect connect = [&]() -> Link& {
    other = call(job.peer);
    stop = other->cut_on_signals();
    return other->link();
  };
  settling(host, job, [&] {
    const SettledJob settled = settle_sent_guest(host.xen(), host.life(), connect, job, wanted,
                                                 handover_limits(settings_of_environment()));
    print_report("{}\n", sentence(settled, job));
  });
}

// The reason is for people.
struct NobodyButPeople final : HandoverOutbox {
  void send(HandoverMessage) override {}
  void because(const std::string& reason) override { why = reason; }
  std::string why;
};

// A job that came here, to decide about it without its source.
struct ReceivedJob {
  explicit ReceivedJob(const std::string& id) : lock(lock_job(id, false)) {
    if (!lock) fail(Errc::busy, "another process still serves job {}", id);
    job = find_job(id, false).value();  // it may have gone on
    if (job.settled()) fail(Errc::usage, "job {} is settled: {}", id, job.state_name());
  }
  std::optional<FileLock> lock;
  MigrationJob job;
};

// What counts here of a guest that somebody has started again is the one that is left.
bool goes_on_as_another(ThisHost& host, JobJournal& journal) {
  const auto other = same_guest_here(host.life(), journal.job());
  if (!other) return false;
  journal.write(DestinationState::runs);
  print_report("{} is here as domain {} ({}), and goes on as that\n", printable(journal.job().name),
               raw(other->domid), printable(other->name));
  return true;
}

// On the host it came to: it runs here, because an operator says so and its source does not.
void run_received(ThisHost& host, const std::string& id) {
  const ReceivedJob received(id);
  const MigrationJob& job = received.job;
  const std::unique_ptr<IncomingGuest> guest = host.incoming(job);
  JobJournal journal(job);
  const bool came = job.destination_state() != DestinationState::receiving;
  if (!came || !guest->present()) {
    if (came && goes_on_as_another(host, journal)) return;
    fail(Errc::usage, "{0} {1}; to settle the job here: ferry job abort --force {2}", job.name,
         came ? "is not here any more" : "did not come as a whole: there is nothing to run", id);
  }
  guest->check_alone();
  NobodyButPeople people;
  DestinationHandover handover(job.destination_state(), journal, *guest, people);
  handover.on(HandoverMessage::go);
  if (handover.state() != DestinationState::runs)
    fail(Errc::needs_operator,
         "{} could not be let run, and stays as it is: {}; once that is mended, here, try: ferry "
         "job resume --force {}",
         job.name, guest->why().empty() ? people.why : guest->why(), id);
  print_report("{} {}\n", printable(job.name), printable(guest->how_it_is()));
}

void resume(const JobArguments& arguments, const OpenHost& open) {
  if (arguments.force && !readable_job(arguments.id, true, open) &&
      readable_job(arguments.id, false, open))
    return run_received(*open(), arguments.id);
  const MigrationJob job = source_job(arguments.id, open);
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
       "job {} is {}; domain {} ({}) has the uuid of {}, and nothing here says that the job made "
       "it: it is left as it is; here, only if it surely is nobody's, try: xl destroy {}",
       job.id, job.state_name(), raw(alike->domid), alike->name, job.name, raw(alike->domid));
}

// What is true now, also of one that could not be thrown away.
void tell_given_up(const MigrationJob& job, IncomingGuest& guest) {
  if (job.destination_state() == DestinationState::may_have_run)
    fail(Errc::needs_operator,
         "{0} is not here any more, and was let run here, or was about to be: nobody knows whether "
         "it ran; look at its disks, then settle job {1} on {2}; there, try: ferry job resume {1} "
         "(only if that host is gone for good: ferry job abort --force {1}, here)",
         job.name, job.id, source_of(job));
  const bool ran = job.destination_state() == DestinationState::runs;
  print_report(
      "job {} is settled here: {} {}\n", job.id, printable(job.name),
      ran ? fmt::format("has run here, and {}", printable(guest.how_it_is())) : "never ran here");
}

// On the host it came to: what of it is here goes, as if it had never come.
void give_up_received(ThisHost& host, const std::string& id, bool force) {
  const ReceivedJob received(id);
  const MigrationJob& job = received.job;
  const DestinationState state = job.destination_state();
  NobodyListens nobody;
  const std::unique_ptr<IncomingGuest> guest = host.incoming(job);
  // Of a copy that is gone, or has run after a go, only what is to be seen here is noted.
  const bool only_noted = state == DestinationState::may_have_run || !guest->present() ||
                          (state == DestinationState::about_to_run && guest->has_run());
  if (state != DestinationState::receiving && !only_noted && !force)
    fail(
        Errc::usage,
        "{0} is here as a whole, and its source may have given it away for good: settle job {1} on "
        "{2}, with ferry job resume {1}; only if that host has lost the job, and {0} runs there "
        "again: here, ferry job abort --force {1} destroys this copy, which may be the only one; "
        "only if that host is gone for good, and {0} surely runs nowhere else, let it run here: "
        "ferry job resume --force {1}",
        job.name, job.id, source_of(job));
  JobJournal journal(job);
  if (state == DestinationState::may_have_run && force) {
    journal.write(DestinationState::runs);  // whoever asks hears that it is gone since
    print_report("job {} is settled here: {} is not here any more, and may have run\n", job.id,
                 printable(job.name));
    return;
  }
  DestinationHandover handover(state, journal, *guest, nobody);
  if (state == DestinationState::receiving)
    handover.link_lost();
  else
    handover.on(HandoverMessage::forget);
  journal.write(handover.state());  // that it could not be written then is no secret
  tell_given_up(journal.job(), *guest);
  if (journal.job().destination_state() == DestinationState::never_ran)
    tell_look_alike(host.life(), journal.job());
}

void abort_job(const JobArguments& arguments, const OpenHost& open) {
  if (arguments.force && forget_damaged_journal(open, arguments.id)) {
    print_report(
        "job {} is forgotten here: its journal made no sense, and no domain here is known "
        "to be its\n",
        arguments.id);
    return;
  }
  // A guest that this host sent is settled by what the source knows, whatever else has that ID.
  if (!readable_job(arguments.id, true, open))
    if (const auto received = readable_job(arguments.id, false, open))
      return give_up_received(*open(), received->id, arguments.force);
  const MigrationJob job = source_job(arguments.id, open);
  const auto host = open();
  if (!arguments.force && may_be_given_away(host->life(), job))
    return settle(*host, job, Wanted::here);
  settling(*host, job, [&] {
    const std::string how = take_back_sent_guest(host->xen(), host->life(), job, arguments.force);
    print_report("{} {}\n", printable(job.name), printable(how));
  });
}

}  // namespace

void add_job_command(Command app, OpenHost open) {
  auto arguments = std::make_shared<JobArguments>();
  Command job =
      app.add_command("job", "Saves and migrations: those that run, those that were broken off");
  job.require_command();
  job.footer("Example:\n  ferry job list\n  ferry job resume 0123456789abcdef0123456789abcdef");

  add_running_commands(job, open);
  Command command = job.add_command("list", "Those that run, and those that are not settled");
  command.add_flag("--all", arguments->all, "Settled ones too");
  command.add_flag("--json", arguments->json, "Print them as JSON");
  command.callback([arguments] { list(*arguments); });

  command =
      job.add_command("resume", "Ask the other host, and finish: the guest runs there, or here");
  command.add_option("ID", arguments->id, "The job").required();
  command.add_flag(
      "--force", arguments->force,
      "It shall run on the other host, though it is gone here, or nobody knows whether "
      "it ran there; on the host that it came to: it shall run here, though its source has not "
      "said so");
  command.footer("Example:\n  ferry job resume 0123456789abcdef0123456789abcdef");
  command.callback([arguments, open] { resume(*arguments, open); });

  command = job.add_command("abort", "Take the guest back, if it has not run there");
  command.add_option("ID", arguments->id, "The job").required();
  command.add_flag(
      "--force", arguments->force,
      "Without asking the other host: if the guest runs there too, both copies destroy "
      "its disks");
  command.callback([arguments, open] { abort_job(*arguments, open); });
}

}  // namespace ferry::host
