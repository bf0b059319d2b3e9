// A guest that a migration has a claim to.
#include "migrate/open_job.h"

#include "custody/resume_guest.h"
#include "error/error.h"
#include "migrate/job_journal.h"

namespace ferry {

namespace {

// It has a state and says which guest it is about. A journal of another version has at least that.
bool is_readable(const MigrationJob& job) {
  return job.state != 0;
}

// The copy that the job made here, which has to wait. One that runs after a go is a guest of this
// host, also if that could not be noted.
bool is_waiting_copy_of(const MigrationJob& job, const DomainInfo& domain) {
  if (!job.copy) return false;
  if (job.destination_state() == DestinationState::about_to_run && (!domain.paused || job.paused))
    return false;
  MigrationJob copy = job;
  copy.domid = static_cast<uint16_t>(raw(job.copy->domid));
  copy.boot = job.copy->boot;
  return is_of(copy, domain);
}

[[noreturn]] void refuse_source(const MigrationJob& job) {
  if (!job.problem.empty())
    fail(Errc::needs_operator, "{} is a migration's: {}", job.name, job.problem);
  const bool given_away = job.source_state() == SourceState::given_away;
  if (!lock_job(job.id, true))
    fail(Errc::busy, "{} is in the hands of migration job {}{}", job.name, job.id,
         given_away ? fmt::format(", and was given to {}", job.peer.text)
                    : fmt::format("; it can be told to stop, here: ferry job cancel {}", job.id));
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
       "this is the copy of {} that migration job {} brought from {} ({}): its source has the "
       "guest, or has given it away, and must be asked; on {}, try: ferry job resume {} (only if "
       "that host is gone for good, and {} surely runs nowhere else: ferry job resume --force {}, "
       "here)",
       job.name, job.id, job.peer.text, job.state_name(), source_of(job), job.id, job.name, job.id);
}

}  // namespace

std::optional<MigrationJob> open_job_of(const DomainInfo& domain) {
  for (MigrationJob& job : list_jobs(false))
    if (job.source && is_readable(job) && is_of(job, domain)) return std::move(job);
  return std::nullopt;
}

void refuse_open_job(const DomainInfo& domain) {
  for (const MigrationJob& job : list_jobs(false)) {
    if (!is_readable(job)) continue;
    if (job.source && is_of(job, domain)) refuse_source(job);
    if (!job.source && is_waiting_copy_of(job, domain)) refuse_copy(job);
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

void refuse_claimed(const DomainInfo& domain) {
  refuse_open_job(domain);
  if (domain.suspended) refuse_unvouched(domain, {{}, was_taken_back});
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
