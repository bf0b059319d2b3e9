// A guest that a migration has a claim to.
#include "migrate/open_job.h"

#include <algorithm>

#include "error/error.h"
#include "migrate/job_journal.h"

namespace ferry {

std::optional<MigrationJob> open_job_of(const DomainInfo& domain) {
  for (MigrationJob& job : list_jobs(false))
    if (job.source && is_of(job, domain)) return std::move(job);
  return std::nullopt;
}

void refuse_open_job(const DomainInfo& domain) {
  const auto job = open_job_of(domain);
  if (!job) return;
  if (!lock_job(job->id, true))
    fail(Errc::busy,
         "{} is in the hands of migration job {}; it can be told to stop: ferry job "
         "cancel {}",
         job->name, job->id, job->id);
  fail(Errc::needs_operator,
       "{} belongs to migration job {}, which was broken off ({}); try: ferry job resume {}",
       job->name, job->id, job->state_name(), job->id);
}

bool was_taken_back(const std::string& id) {
  const auto job = find_job(id, true);
  return job && job->source_state() == SourceState::taken_back;
}

}  // namespace ferry
