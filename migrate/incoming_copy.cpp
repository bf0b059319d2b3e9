// The copy of a guest that arrives at this host, told from every other domain.
#include "migrate/incoming_copy.h"

#include "custody/host_boot.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "migrate/job_mark.h"
#include "migrate/same_guest.h"
#include "xen/hypervisor.h"

namespace ferry {

IncomingCopy::IncomingCopy(Lifecycle& life, const MigrationJob& job) : life_(life), job_(job) {
}

void IncomingCopy::check_names() {
  check_names_here(life_, job_.name, job_.uuid, is_worked_on(job_.id, true));
}

void IncomingCopy::number(domid_t domid) {
  job_.copy.emplace();
  job_.copy->domid = domid;
  job_.copy->boot = host_boot();
}

bool IncomingCopy::look() {
  if (job_.copy) return true;
  const auto found = find_named(life_, incoming_name(), job_.uuid);
  if (found) number(found->domid);
  return found.has_value();
}

std::optional<DomainHere> IncomingCopy::find() {
  if (!job_.copy || job_.copy->boot != host_boot()) return std::nullopt;
  for (DomainHere& one : life_.with_uuid(job_.uuid))
    if (one.domid == job_.copy->domid) return std::move(one);
  return std::nullopt;
}

void IncomingCopy::check_alone() {
  const auto other = same_guest_here(life_, job_);
  if (!other) return;
  const std::string which = fmt::format("domain {} ({})", raw(other->domid), other->name);
  const auto copy = find();
  const std::string first = copy ? fmt::format("xl destroy {}, and then ", raw(copy->domid)) : "";
  fail(Errc::needs_operator,
       "{0} {1} on the destination, and {2} there is the same guest, though this job did not bring "
       "it: only one may run; if {2} is to go on: on the destination, {3}ferry job resume --force "
       "{4}; if not: there xl destroy {5}, and then on the source, try: ferry job resume {4}",
       job_.name,
       copy ? fmt::format("waits as domain {} ({})", raw(copy->domid), copy->name)
            : "is not there any more as it came",
       which, first, job_.id, raw(other->domid));
}

std::string IncomingCopy::same_guest() {
  const auto other = same_guest_here(life_, job_);
  if (!other) return {};
  const bool was_it = job_.copy && job_.copy->domid == other->domid;  // before a restart
  return fmt::format(
      "domain {} ({}) there {}, though nothing there says that this job brought it{}",
      raw(other->domid), other->name, kIsSameGuest,
      !job_.copy || was_it ? std::string()
                           : fmt::format(", and what came as domain {} is not there "
                                         "any more",
                                         raw(job_.copy->domid)));
}

bool IncomingCopy::lives_on() {
  return what_goes_on().has_value();
}

std::optional<DomainHere> IncomingCopy::what_goes_on() {
  auto copy = find();
  return copy ? std::move(copy) : same_guest_here(life_, job_);
}

std::string IncomingCopy::where() {
  const auto now = what_goes_on();
  if (!now) return {};
  return fmt::format("on that host it is domain {0} ({1}){2}: xl destroy {0}", raw(now->domid),
                     now->name, now->runs() ? "" : ", and does not run now");
}

void IncomingCopy::whole() {
  if (const auto copy = find(); copy && job_.copy) job_.copy->cpu_time_ns = copy->cpu_time_ns;
}

bool IncomingCopy::has_run() {
  const auto copy = find();
  return copy && has_run(*copy);
}

std::string IncomingCopy::how_it_is() {
  const auto now = what_goes_on();
  if (!now) return "is not here any more";
  return ferry::how_it_is(*now, job_.name);
}

// One that never was whole is no guest, whoever has unpaused it: it has had no vCPU to run on.
// Where only the journal does not say that it is whole (an old one, say), it has had one, and a
// mark.
bool IncomingCopy::is_half(const DomainHere& copy) const {
  return job_.destination_state() == DestinationState::receiving && job_.copy &&
         !job_.copy->cpu_time_ns && copy.cpu_time_ns <= kBookedLateNs && !was_let_run();
}

// One that was unpaused and is paused again is not as it was built. Where nobody noted what it had
// used of the CPUs, its name tells: it loses that of an arriving domain right before it runs.
bool IncomingCopy::has_run(const DomainHere& copy) const {
  if (is_half(copy)) return false;
  if (copy.runs() || copy.ended) return true;
  if (job_.copy && job_.copy->cpu_time_ns)
    return copy.cpu_time_ns > *job_.copy->cpu_time_ns + kBookedLateNs;
  return copy.name != incoming_name();
}

bool IncomingCopy::run() {
  const auto copy = find();
  if (!copy) fail(Errc::needs_operator, "{} is not here: nobody knows whether it ran", job_.name);
  const bool ran = has_run(*copy);
  try {
    leave_job_mark(job_.id, JobMark::let_run);
  } catch (const Error& e) {
    if (!ran) return cannot_run(e.what());
  }
  // Paused, suspended or renamed by somebody since, it stays as that one has left it.
  if (ran) return copy->name != incoming_name() || rename(*copy);
  if (copy->name != job_.name && !rename(*copy)) return false;
  return job_.paused || unpause(*copy);
}

bool IncomingCopy::was_let_run() const {
  return has_job_mark(job_.id, JobMark::let_run);
}

bool IncomingCopy::rename(const DomainHere& copy) {
  std::string why;
  try {
    life_.rename(copy.domid, job_.name);
    return true;
  } catch (const Error& e) {
    why = e.what();
  }
  const auto now = find();
  if (now && now->name == job_.name) return true;
  if (now && has_run(*now)) return true;  // and that is what counts
  if (now) return cannot_run(fmt::format("its copy there cannot get its name: {}", why));
  fail(Errc::needs_operator, "{} cannot get its name: {}", job_.name, why);
}

bool IncomingCopy::unpause(const DomainHere& copy) {
  std::string why = "somebody has paused it once more";
  try {
    life_.unpause(copy.domid);
  } catch (const Error& e) {
    why = e.what();
  }
  const auto now = find();
  if (now && (now->runs() || now->ended)) return true;
  if (now && !has_run(*now)) {
    call_it_arriving(*now);
    return cannot_run(fmt::format("its copy there cannot run: {}", why));
  }
  fail(Errc::needs_operator, "{} was let run as domain {}, and does not: {}", job_.name,
       raw(copy.domid), why);
}

// As it was: people see by its name that it waits.
void IncomingCopy::call_it_arriving(const DomainHere& copy) {
  try {
    life_.rename(copy.domid, incoming_name());
  } catch (const Error&) {  // its job knows it all the same
  }
}

bool IncomingCopy::cannot_run(std::string why) {
  clear_job_mark(job_.id, JobMark::let_run);
  why_ = std::move(why);
  return false;
}

void IncomingCopy::discard() {
  clear_job_mark(job_.id, JobMark::let_run);
  if (const auto copy = find()) life_.destroy(copy->domid);
}

}  // namespace ferry
