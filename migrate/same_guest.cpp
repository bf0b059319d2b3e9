// The guest of a job, a second time on one host.
#include "migrate/same_guest.h"

#include "custody/host_boot.h"
#include "error/error.h"

namespace ferry {
namespace {

bool is_own(const MigrationJob& job, domid_t domid) {
  if (!job.source) return job.copy && job.copy->boot == host_boot() && job.copy->domid == domid;
  if (job.boot.empty()) return true;  // of an earlier version: nobody noted which it is
  return job.boot == host_boot() && job.domid == raw(domid);
}

// Where a guest moves within one host. A journal that makes no sense vouches for no domain.
std::optional<MigrationJob> other_side_of(const MigrationJob& job) {
  try {
    return find_job(job.id, !job.source);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

bool is_domain_of(const MigrationJob& job, domid_t domid) {
  if (is_own(job, domid)) return true;
  const auto other_side = other_side_of(job);
  return other_side && is_own(*other_side, domid);
}

std::optional<DomainHere> same_guest_here(Lifecycle& life, const MigrationJob& job) {
  for (DomainHere& one : life.with_uuid(job.uuid))
    if (!is_domain_of(job, one.domid)) return std::move(one);
  return std::nullopt;
}

void fail_two_here(const MigrationJob& job, const DomainHere& other, bool sent_one_is_here) {
  const std::string which =
      fmt::format("domain {}{}", raw(other.domid),
                  other.name.empty() ? std::string() : fmt::format(" ({})", other.name));
  if (sent_one_is_here)
    fail(Errc::needs_operator,
         "{0} is still here as job {1} sends it, as domain {2}, and {3} here is the same guest: "
         "only one may run; here, if {3} is to go on, and {0} surely does not run on {4}: xl "
         "destroy {2}, and then ferry job abort --force {1}; if not, here too: xl destroy {5}, and "
         "then, try: ferry job resume {1}",
         job.name, job.id, job.domid, which, job.peer.text, raw(other.domid));
  fail(
      Errc::needs_operator,
      "{0} is not here any more as job {1} sends it, and {2} here is the same guest: only one may "
      "run; here, if it is to go on on {3}: xl destroy {4}, and then ferry job resume --force {1}; "
      "here too, only if {2} is to go on, and {0} surely does not run on {3}, try: ferry job abort "
      "--force {1}",
      job.name, job.id, which, job.peer.text, raw(other.domid));
}

}  // namespace ferry
