// ferry job info, set and cancel: saves and migrations while they run.
#include "tools/ferry-host/running_command.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "config/json_text.h"
#include "error/error.h"
#include "host/live_status.h"
#include "host/running_save.h"
#include "migrate/job_journal.h"
#include "text/print.h"
#include "text/printable.h"
#include "tools/ferry-host/setting_options.h"
#include "xen/domain.h"

namespace ferry::host {
namespace {

struct RunningArguments {
  std::string domain;
  bool json = false;
  Settings said;
};

uint64_t figure(const nlohmann::ordered_json& status, const char* name) {
  return status.value(name, uint64_t{0});
}

std::string phase(const nlohmann::ordered_json& status) {
  return status.value(status_key::kPhase, std::string("?"));
}

// With the labels of virsh domjobinfo.
std::string as_text(const nlohmann::ordered_json& s) {
  std::string text;
  const auto line = [&](const char* label, const std::string& value) {
    text += fmt::format("{:<20} {}\n", label, value);
  };
  const auto mib = [&](const char* name) {
    return fmt::format("{:.1f} MiB", static_cast<double>(figure(s, name)) / (1 << 20));
  };
  line("Phase:", printable(phase(s)));
  line("Time elapsed:", fmt::format("{} ms", figure(s, status_key::kElapsed)));
  line("Data processed:", mib(status_key::kDataProcessed));
  line("Memory processed:", mib(status_key::kProcessed));
  line("Memory remaining:", mib(status_key::kRemaining));
  line("Memory total:", mib(status_key::kTotal));
  line("Memory bandwidth:", mib(status_key::kBytesPerSecond) + "/s");
  line("Dirty rate:", fmt::format("{} pages/s", figure(s, status_key::kDirtyRate)));
  line("Page size:", fmt::format("{} bytes", figure(s, status_key::kPageSize)));
  line("Iteration:", fmt::format("{}", figure(s, status_key::kIteration)));
  line("Expected downtime:", fmt::format("{} ms", figure(s, status_key::kDowntime)));
  return text;
}

// A job's ID stands for its guest.
std::string domain_of(const std::string& domain_or_id) {
  if (const auto job = find_job(domain_or_id, true)) return job->name;
  if (const auto job = find_job(domain_or_id, false))
    fail(Errc::usage,
         "job {} of {} came to this host ({}); where it is is asked, and it is stopped, on the "
         "host that sends it: {}",
         job->id, job->name, job->state_name(), job->peer.text);
  return domain_or_id;
}

RunningSave running(ThisHost& host, const std::string& domain_or_id) {
  const domid_t domid = host.life().find(domain_of(domain_or_id));
  if (const auto save = RunningSave::of(domid)) return *save;
  fail(Errc::no_domain, "no save or migration of domain {} is under way", raw(domid));
}

void info(const RunningArguments& arguments, const OpenHost& open) {
  const auto status = running(*open(), arguments.domain).ask("status");
  answer_with(arguments.json ? json_text(status) + "\n" : as_text(status));
}

void set(const RunningArguments& arguments, const OpenHost& open) {
  std::vector<std::string> requests;
  for (const Setting& setting : kSettings)
    if (const std::string* text = arguments.said.text_of(setting))
      requests.push_back(fmt::format("set {} {}", setting.name, *text));
  if (requests.empty()) fail(Errc::usage, "say what to set: {}", setting_options(kJobSet));
  const RunningSave save = running(*open(), arguments.domain);
  for (const std::string& request : requests) save.ask(request);
}

// The jobs of this host that send what is called so: by their ID, or by what their guest was called
// then, or by its number or name now. One that was set aside has another name.
std::vector<MigrationJob> jobs_that_send(ThisHost& host, const std::string& domain_or_id,
                                         bool all) {
  const auto domid = host.life().find_if_there(domain_or_id);
  std::vector<DomainInfo> called_so = list_domains(host.xen());
  std::erase_if(called_so, [&](const DomainInfo& domain) { return domain.domid != domid; });
  std::vector<MigrationJob> jobs = list_jobs(all);
  std::erase_if(jobs, [&](const MigrationJob& job) {
    const bool its = std::any_of(called_so.begin(), called_so.end(),
                                 [&](const DomainInfo& domain) { return is_of(job, domain); });
    return !job.source || (job.id != domain_or_id && job.name != domain_or_id && !its);
  });
  return jobs;
}

std::optional<MigrationJob> worked_on(ThisHost& host, const std::string& domain_or_id) {
  for (MigrationJob& job : jobs_that_send(host, domain_or_id, false))
    if (is_worked_on(job.id, true)) return std::move(job);
  return std::nullopt;
}

// From the go on it is not for this host any more to say where the guest runs.
void fail_if_given_away(const MigrationJob& job) {
  if (job.source_state() != SourceState::given_away) return;
  fail(
      Errc::needs_operator,
      "{} was given to {} and is not kept here by stopping that; if job {} does not end by itself, "
      "try: ferry job abort {}",
      job.name, job.peer.text, job.id, job.id);
}

// A migration that has sent everything listens no more; its process takes a signal for the same.
bool interrupt_handover(ThisHost& host, const std::string& domain_or_id) {
  const auto job = worked_on(host, domain_or_id);
  // Its number may be somebody else's by now.
  return job && writer_runs(*job) && kill(static_cast<pid_t>(job->pid), SIGTERM) == 0;
}

bool is_suspended(ThisHost& host, const MigrationJob& job) {
  for (const DomainInfo& domain : list_domains(host.xen()))
    if (is_of(job, domain)) return domain.suspended;
  return false;
}

// Whoever works on it was told and has not done it: that may be stopped, or wait for a disk.
[[noreturn]] void fail_unanswered(ThisHost& host, const MigrationJob& job,
                                  std::chrono::seconds waited) {
  const std::string unanswered = fmt::format(
      "process {}, which works on job {} of {}, was told to stop and has not answered "
      "for {} s",
      job.pid, job.id, job.name, waited.count());
  if (!is_suspended(host, job))
    fail(Errc::busy, "{}; the guest runs here so far; ferry job list tells when it has",
         unanswered);
  fail(Errc::needs_operator,
       "{}; the guest is suspended here until then; if that process hangs, end it and try: ferry "
       "job "
       "resume {}",
       unanswered, job.id);
}

// What became of it: it may have been too late.
void judge_cancelled(ThisHost& host, const MigrationJob& job) {
  constexpr auto kEndsWithin = std::chrono::seconds(10);
  const auto until = std::chrono::steady_clock::now() + kEndsWithin;
  while (is_worked_on(job.id, true) && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const bool answered = !is_worked_on(job.id, true);
  const auto now = find_job(job.id, true);
  if (!now) return;
  fail_if_given_away(*now);
  if (now->source_state() == SourceState::done)
    fail(Errc::guest, "{} was too far to be stopped: it runs on {}", now->name, now->peer.text);
  if (!answered) fail_unanswered(host, *now, kEndsWithin);
}

// Of a job or of its guest: that it is too late, and what is to be done instead.
void fail_if_broken_off(ThisHost& host, const std::string& domain_or_id) {
  for (const MigrationJob& job : jobs_that_send(host, domain_or_id, true)) {
    if (job.settled() && job.id != domain_or_id) continue;
    if (job.settled()) fail(Errc::usage, "job {} is settled: {}", job.id, job.state_name());
    fail(Errc::needs_operator,
         "nothing works on job {} of {} any more ({}); try: ferry job resume {}, or ferry job "
         "abort {}",
         job.id, job.name, job.state_name(), job.id, job.id);
  }
}

void cancel(const RunningArguments& arguments, const OpenHost& open) {
  const std::string domain = domain_of(arguments.domain);
  const auto host = open();
  const auto migration = worked_on(*host, arguments.domain);
  if (migration) fail_if_given_away(*migration);
  try {
    running(*host, domain).ask("cancel");
  } catch (const Error&) {
    if (!interrupt_handover(*host, arguments.domain)) {
      fail_if_broken_off(*host, arguments.domain);
      throw;
    }
  }
  if (migration) judge_cancelled(*host, *migration);
  print_report("{} is being cancelled; the guest stays here\n", domain);
}

}  // namespace

std::string running_as_text() {
  std::string text;
  for (const RunningSave& save : RunningSave::all()) {
    const auto s = save.ask("status");
    text += fmt::format(
        "domain {}: {}, round {}, {} of {} MiB left, {} KiB/s, would stand still for {} ms\n",
        raw(save.domid()), printable(phase(s)), figure(s, status_key::kIteration),
        figure(s, status_key::kRemaining) >> 20, figure(s, status_key::kTotal) >> 20,
        figure(s, status_key::kBytesPerSecond) >> 10, figure(s, status_key::kDowntime));
  }
  return text;
}

nlohmann::ordered_json running_as_json() {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const RunningSave& save : RunningSave::all()) {
    nlohmann::ordered_json status = save.ask("status");
    status["domid"] = raw(save.domid());
    all.push_back(std::move(status));
  }
  return all;
}

void add_running_commands(Command job, const OpenHost& open) {
  constexpr const char* kWhich = "Name or number of the domain, or a job's ID";
  auto arguments = std::make_shared<RunningArguments>();
  const auto add = [&](const char* name, const char* what, const char* of) {
    Command command = job.add_command(name, what);
    command.add_option("DOMAIN", arguments->domain, of).required();
    return command;
  };
  Command command = add("info", "Where a save or migration is", kWhich);
  command.add_flag("--json", arguments->json, "Print it as JSON");
  command.callback([arguments, open] { info(*arguments, open); });

  command = add("set", "Change a live save or migration while it runs", kWhich);
  command.footer(
      "What is not given stays as it is.\n\nExample:\n  ferry job set --bandwidth 50 web1");
  add_settings(command, kJobSet, arguments->said);
  command.callback([arguments, open] { set(*arguments, open); });

  command =
      add("cancel", "Stop a save, or a migration that has not given the guest away; it stays here",
          kWhich);
  command.callback([arguments, open] { cancel(*arguments, open); });
}

}  // namespace ferry::host
