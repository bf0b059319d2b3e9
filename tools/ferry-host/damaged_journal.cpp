// A job whose journal on this host cannot be read.
#include "tools/ferry-host/damaged_journal.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "custody/host_boot.h"
#include "custody/suspend_mark.h"
#include "migrate/guest_names.h"
#include "migrate/job_journal.h"
#include "xen/domain.h"

namespace ferry::host {
namespace {

struct Found {
  domid_t domid{};
  std::string name;
};

bool is_copy_of_sound_job(domid_t domid) {
  const std::vector<MigrationJob> jobs = list_jobs(true);
  return std::any_of(jobs.begin(), jobs.end(), [&](const MigrationJob& job) {
    return !job.source && job.problem.empty() && job.copy && job.copy->domid == domid &&
           job.copy->boot == host_boot();
  });
}

// The guest is known by the note of its suspension, never by a name: another one may have that.
bool was_suspended_for(const DomainInfo& domain, const std::string& id) {
  return domain.suspended && job_in_suspend_mark(domain) == id;
}

// What waits as a copy that arrives does, and is no other job's.
bool may_be_copy(const DomainInfo& domain, const std::string& name) {
  return domain.paused && name.size() > incoming_name("").size() &&
         name.ends_with(incoming_name("")) && !is_copy_of_sound_job(domain.domid);
}

// Throws Error if Xen does not answer.
std::vector<Found> look_for(ThisHost& host, const std::string& id, bool source) {
  std::vector<Found> found;
  for (const DomainInfo& domain : list_domains(host.xen())) {
    const std::string name = host.life().name(domain.domid);
    if (!domain.dying && (source ? was_suspended_for(domain, id) : may_be_copy(domain, name)))
      found.push_back({domain.domid, name});
  }
  return found;
}

// Once the source has lost the job, nothing it says reaches what waits where the guest came to.
// found: nothing if Xen does not answer.
[[noreturn]] void fail_at_source(const std::string& id,
                                 const std::optional<std::vector<Found>>& found, const Error& why) {
  if (found && found->empty())
    fail(Errc::needs_operator,
         "{0}, and nothing here is suspended for it; if the guest runs here, what waits on the "
         "other host goes by: ferry job abort --force {1}, there; to forget the job, here, try: "
         "ferry job abort --force {1}",
         why.what(), id);
  fail(
      Errc::needs_operator,
      "{}; what waits on the other host goes by: ferry job abort --force {}, there, once the guest "
      "runs here; only if it is suspended here and surely runs nowhere else: here, try: ferry "
      "resume --force{}",
      why.what(), id,
      found && found->size() == 1 ? fmt::format(" {}", raw(found->front().domid))
                                  : ", with its number");
}

}  // namespace

bool forget_damaged_journal(const OpenHost& open, const std::string& id) {
  for (const bool source : {true, false}) try {
      find_job(id, source);
    } catch (const Error& e) {
      if (e.code() != Errc::io) continue;  // of another version: that one settles it
      const auto lock = lock_job(id, source);
      if (!lock) fail(Errc::busy, "another process works on job {}", id);
      if (!look_for(*open(), id, source).empty()) continue;
      remove_journal(id, source);
      return true;
    }
  return false;
}

void fail_damaged_journal(ThisHost& host, const std::string& id, bool source, const Error& why) {
  std::optional<std::vector<Found>> found;
  try {
    found = look_for(host, id, source);
  } catch (const Error&) {  // the sentence is needed all the same
  }
  if (source) fail_at_source(id, found, why);
  std::string waits;
  if (found && found->empty())
    waits = fmt::format(
        "; nothing here waits as its copy: ferry job abort --force {}, here, "
        "forgets the job",
        id);
  for (const Found& one : found.value_or(std::vector<Found>()))
    waits += fmt::format(
        "; domain {0} ({1}) waits here, paused, and may be its copy: once the source has the guest "
        "again, it goes by: xl destroy {0}, here; only if the source is gone for good, and the "
        "guest surely runs nowhere else, it is let run by: xl unpause {0}, here",
        raw(one.domid), one.name);
  fail(Errc::needs_operator,
       "{}: only the source knows who has the guest{}; on the source, try: ferry job resume {}",
       why.what(), waits, id);
}

}  // namespace ferry::host
