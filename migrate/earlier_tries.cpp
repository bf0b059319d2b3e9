// What earlier migrations of a guest have left at a host that it comes to again.
#include "migrate/earlier_tries.h"

#include <algorithm>

#include "error/error.h"
#include "migrate/incoming_copy.h"

namespace ferry {
namespace {

bool was_taken_back(const MigrationJob& job, const TakenBack& all) {
  return std::any_of(all.begin(), all.end(), [&](const v1::MigrateTakenBack& one) {
    return one.job() == job_bytes_of(job.id) && same_secret(one.secret(), job.source_secret);
  });
}

// Those of which something may be here, waiting for their source's word.
std::vector<MigrationJob> earlier_tries(const std::string& uuid) {
  std::vector<MigrationJob> jobs = list_jobs(false);
  std::erase_if(jobs, [&](const MigrationJob& job) {
    return job.source || !job.problem.empty() || job.uuid != uuid ||
           job.destination_state() == DestinationState::may_have_run;
  });
  return jobs;
}

// here: whether its copy is. A whole one that is gone never ran, or may have: that is noted.
bool can_go(const MigrationJob& earlier, const TakenBack& taken_back, bool here) {
  return earlier.destination_state() == DestinationState::receiving ||
         (earlier.destination_state() == DestinationState::held &&
          (!here || was_taken_back(earlier, taken_back)));
}

[[noreturn]] void fail_open(const MigrationJob& earlier) {
  fail(Errc::unsupported,
       "{0} is here from an earlier migration, job {1}: settle that on {2}, with ferry job resume "
       "{1}; only if that host has lost the job, and {0} runs there: on the destination, ferry job "
       "abort --force {1}",
       earlier.name, earlier.id, source_of(earlier));
}

}  // namespace

TakenBack jobs_taken_back(const std::string& uuid) {
  constexpr int kMost = 64;
  TakenBack all;
  for (const MigrationJob& earlier : list_jobs(true)) {
    if (!earlier.source || !earlier.problem.empty() || earlier.uuid != uuid ||
        earlier.source_state() != SourceState::taken_back || earlier.source_secret.empty())
      continue;
    v1::MigrateTakenBack& one = *all.Add();
    one.set_job(job_bytes_of(earlier.id));
    one.set_secret(earlier.source_secret);
    if (all.size() == kMost) break;
  }
  return all;
}

std::vector<domid_t> copies_that_can_go(Lifecycle& life, const std::string& uuid,
                                        const TakenBack& taken_back) {
  std::vector<domid_t> domids;
  for (const MigrationJob& earlier : earlier_tries(uuid)) {
    const auto copy = IncomingCopy(life, earlier).find();
    if (!can_go(earlier, taken_back, copy.has_value()) || is_worked_on(earlier.id, false))
      fail_open(earlier);
    if (copy) domids.push_back(copy->domid);
  }
  return domids;
}

void clear_earlier_tries(
    const MigrationJob& job, const TakenBack& taken_back,
    const std::function<std::unique_ptr<IncomingGuest>(const MigrationJob&)>& make) {
  NobodyListens nobody;
  for (const MigrationJob& earlier : earlier_tries(job.uuid)) {
    if (earlier.id == job.id) continue;
    const auto lock = lock_job(earlier.id, false);
    if (!lock) fail_open(earlier);
    const std::unique_ptr<IncomingGuest> guest = make(earlier);
    if (!can_go(earlier, taken_back, guest->present())) fail_open(earlier);
    JobJournal journal(earlier);
    const DestinationState state = earlier.destination_state();
    DestinationHandover handover(state, journal, *guest, nobody);
    state == DestinationState::held ? handover.on(HandoverMessage::kept) : handover.restarted();
  }
}

}  // namespace ferry
