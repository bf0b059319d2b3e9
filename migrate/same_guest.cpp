// The guest of a job, a second time on one host.
#include "migrate/same_guest.h"

#include "custody/host_boot.h"
#include "error/error.h"

namespace ferry {
namespace {

bool is_own(const MigrationJob& job, const DomainHere& domain) {
  if (!job.source)
    return job.copy && job.copy->boot == host_boot() && job.copy->domid == domain.domid;
  if (job.boot.empty()) return true;  // of an earlier version: nobody noted which it is
  return job.boot == host_boot() && job.domid == raw(domain.domid);
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

std::optional<DomainHere> same_guest_here(Lifecycle& life, const MigrationJob& job) {
  const auto other_side = other_side_of(job);
  for (DomainHere& one : life.with_uuid(job.uuid))
    if (!is_own(job, one) && !(other_side && is_own(*other_side, one))) return std::move(one);
  return std::nullopt;
}

}  // namespace ferry
