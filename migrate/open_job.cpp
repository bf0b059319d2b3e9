// A guest that a migration has a claim to.
#include "migrate/open_job.h"

#include <algorithm>

#include "custody/host_boot.h"
#include "custody/left_image.h"
#include "custody/resume_guest.h"
#include "error/error.h"
#include "migrate/job_journal.h"
#include "migrate/same_guest.h"
#include "text/printable.h"
#include "text/say.h"

namespace ferry {
namespace {

// It has a state and says which guest it is about. A journal of another version has at least that.
bool is_readable(const MigrationJob& job) {
  return job.state != 0;
}

std::string uuid_of(const DomainInfo& domain) {
  return {domain.uuid.begin(), domain.uuid.end()};
}

// What the job sends from this host, or the copy that it made here.
bool is_own(const MigrationJob& job, const DomainInfo& domain) {
  if (job.source) return is_of(job, domain);
  return job.uuid == uuid_of(domain) && job.copy && job.copy->boot == host_boot() &&
         job.copy->domid == domain.domid;
}

bool own_is_here(const Hypervisor& xen, const MigrationJob& job) {
  const std::vector<DomainInfo> all = list_domains(xen);
  return std::any_of(all.begin(), all.end(),
                     [&](const DomainInfo& one) { return !one.dying && is_own(job, one); });
}

// A copy that came here has to wait. One that runs after a go is a guest of this host, also if that
// could not be noted.
bool has_to_wait(const MigrationJob& job, const DomainInfo& copy) {
  return job.destination_state() != DestinationState::about_to_run || (copy.paused && !job.paused);
}

void refuse_problem(const MigrationJob& job) {
  if (!job.problem.empty())
    fail(Errc::needs_operator, "{} is a migration's: {}", job.name, job.problem);
}

void refuse_leaving(const MigrationJob& job) {
  refuse_problem(job);
  const bool given_away = job.source_state() == SourceState::given_away;
  if (!lock_job(job.id, true))
    fail(Errc::busy, "{} is in the hands of migration job {}{}", job.name, job.id,
         given_away ? fmt::format(", and was given to {}", job.peer.text)
                    : fmt::format("; it can be told to stop, here: ferry job cancel {}", job.id));
}

[[noreturn]] void refuse_source(const MigrationJob& job) {
  refuse_leaving(job);
  fail(Errc::needs_operator,
       "{} belongs to migration job {}, which was broken off ({}); here, try: ferry job resume {}",
       job.name, job.id, job.state_name(), job.id);
}

void refuse_arriving(const MigrationJob& job) {
  if (!lock_job(job.id, false))
    fail(Errc::busy, "{} is arriving from {}, in migration job {}", job.name, job.peer.text,
         job.id);
}

// It must not run, whatever else is wrong with it, before its source has said so.
[[noreturn]] void refuse_copy(const MigrationJob& job) {
  refuse_arriving(job);
  fail(Errc::needs_operator,
       "this is the copy of {0} that migration job {1} brought from {2} ({3}): its source has the "
       "guest, or has given it away, and must be asked; on {4}, try: ferry job resume {1} (only if "
       "that host has lost the job, and {0} runs there: ferry job abort --force {1}, here; only if "
       "it is gone for good, and {0} surely runs nowhere else: ferry job resume --force {1}, here)",
       job.name, job.id, job.peer.text, job.state_name(), source_of(job));
}

// Somebody has started the guest of the job again, where it came to.
[[noreturn]] void refuse_beside_copy(const Hypervisor& xen, const MigrationJob& job,
                                     const DomainInfo& other) {
  refuse_problem(job);
  refuse_arriving(job);
  const unsigned domid = raw(other.domid);
  if (job.destination_state() == DestinationState::receiving)
    fail(Errc::needs_operator,
         "domain {0} here is the same guest as {1}, of which migration job {2} brought a half copy "
         "from {3}: it may run there; only if it surely does not, here, try: ferry job abort {2}",
         domid, job.name, job.id, job.peer.text);
  if (own_is_here(xen, job))
    fail(Errc::needs_operator,
         "{0} is here as migration job {1} brought it from {2}, as domain {3} ({4}), and domain "
         "{5} here is the same guest: only one may run; here, if domain {5} is to go on: xl "
         "destroy {3}, and then ferry job resume --force {1}; if not, here too: xl destroy {5}, "
         "and then on {6}, try: ferry job resume {1}",
         job.name, job.id, job.peer.text, raw(job.copy->domid), job.state_name(), domid,
         source_of(job));
  fail(Errc::needs_operator,
       "{0} is not here any more as migration job {1} brought it from {2} ({3}), and domain {4} "
       "here is the same guest: it may run there; only if it surely does not, here, try: ferry "
       "job resume --force {1}",
       job.name, job.id, job.peer.text, job.state_name(), domid);
}

[[noreturn]] void refuse_beside_source(const Hypervisor& xen, const MigrationJob& job,
                                       const DomainInfo& other) {
  refuse_leaving(job);
  DomainHere second;
  second.domid = other.domid;
  fail_two_here(job, second, own_is_here(xen, job));
}

}  // namespace

std::optional<MigrationJob> open_job_of(const DomainInfo& domain) {
  for (MigrationJob& job : list_jobs(false))
    if (job.source && is_readable(job) && is_of(job, domain)) return std::move(job);
  return std::nullopt;
}

void refuse_open_job(const Hypervisor& xen, const DomainInfo& domain) {
  for (const MigrationJob& job : list_jobs(false)) {
    if (!is_readable(job) || job.uuid != uuid_of(domain)) continue;
    if (job.source && is_own(job, domain)) refuse_source(job);
    if (!job.source && is_own(job, domain) && has_to_wait(job, domain)) refuse_copy(job);
    if (is_own(job, domain) || is_domain_of(job, domain.domid)) continue;
    job.source ? refuse_beside_source(xen, job, domain) : refuse_beside_copy(xen, job, domain);
  }
}

void refuse_open_job_of(const std::string& uuid) {
  for (const MigrationJob& job : list_jobs(false)) {
    if (!is_readable(job) || job.uuid != uuid) continue;
    if (job.source) refuse_source(job);
    refuse_arriving(job);
    fail(Errc::needs_operator,
         "{0} came here from {1}, in migration job {2} ({3}): its source has it, or has given it "
         "away, and must be asked; on {4}, try: ferry job resume {2} (only if it surely runs "
         "nowhere: --force, here)",
         job.name, job.peer.text, job.id, job.state_name(), source_of(job));
  }
}

void tell_where_it_went(const std::string& uuid) {
  for (const MigrationJob& job : list_jobs(true)) {
    if (!is_readable(job) || job.uuid != uuid || !job.source ||
        job.source_state() != SourceState::done)
      continue;
    say(
        fmt::format("ferry: {} left this host for {}, by migration job {}: if it still runs there, "
                    "this is a second copy of it\n",
                    printable(job.name), printable(job.peer.text), job.id));
    return;
  }
}

void refuse_claimed(const Hypervisor& xen, const DomainInfo& domain) {
  refuse_open_job(xen, domain);
  if (!domain.suspended || domain.dying) return;  // what is being destroyed nobody takes
  refuse_unvouched(domain, {{}, was_taken_back});
  refuse_left_image(domain);
}

// One that cannot be read says nothing.
bool was_taken_back(const std::string& id) {
  try {
    const auto job = find_job(id, true);
    return job && job->source_state() == SourceState::taken_back;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace ferry
