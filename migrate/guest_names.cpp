// The names that a guest moves under.
#include "migrate/guest_names.h"

#include <algorithm>

#include "custody/host_boot.h"
#include "error/error.h"
#include "migrate/job_journal.h"
#include "text/printable.h"
#include "xen/hypervisor.h"

namespace ferry {

std::string incoming_name(const std::string& name) {
  return name + "--incoming";
}

std::string away_name(const std::string& name) {
  return name + "--migratedaway";
}

// A name travels as text, becomes part of others and of paths in xenstore, and is what people call
// the guest.
void check_name(const std::string& name) {
  constexpr size_t kLongest = 200;
  if (name.empty() || name.size() > kLongest || printable(name) != name ||
      name.find('/') != std::string::npos)
    fail(Errc::unsupported,
         "a guest cannot move under its name if that is empty, longer than {} bytes, not UTF-8, or "
         "has control characters or a slash: give it another one first (xl rename)",
         kLongest);
}

namespace {

// For people, behind a sentence about a domain that an open job of this host is sending.
std::string tell_open_job_of(const DomainHere& domain, const std::string& uuid) {
  for (const MigrationJob& job : list_jobs(false))
    if (job.source && job.uuid == uuid && job.boot == host_boot() && job.domid == raw(domain.domid))
      return fmt::format(
          ", and belongs to migration job {0} of that host, which is open ({1}); on the "
          "destination, try: ferry job resume {0}",
          job.id, job.state_name());
  return {};
}

// It has left from here, as far as a job knows that nobody works on: nobody here could save it or
// move it on (open_job.h).
void refuse_left_from_here(const std::string& uuid) {
  for (const MigrationJob& job : list_jobs(false))
    if (job.source && job.state != 0 && job.uuid == uuid && !is_worked_on(job.id, true))
      fail(Errc::unsupported,
           "migration job {0} of that host sends this very guest, and is open ({1}); on the "
           "destination, try: ferry job resume {0}",
           job.id, job.state_name());
}

}  // namespace

void check_names_here(Lifecycle& life, const std::string& name, const std::string& uuid,
                      bool source_is_here, const std::vector<domid_t>& going) {
  const auto goes = [&](domid_t domid) {
    return std::find(going.begin(), going.end(), domid) != going.end();
  };
  if (!source_is_here)
    for (const DomainHere& one : life.with_uuid(uuid))
      if (!goes(one.domid))
        fail(Errc::unsupported, "this very guest is here already, as domain {} ({}){}",
             raw(one.domid), one.name,
             one.name == incoming_name(name)
                 ? fmt::format("; if no job of that host knows of that copy (ferry job list "
                               "--all), it can go; on the destination, try: xl destroy {}",
                               raw(one.domid))
                 : tell_open_job_of(one, uuid));
  if (!source_is_here) refuse_left_from_here(uuid);
  for (const std::string& wanted : {name, incoming_name(name)}) {
    const auto there = life.find_if_there(wanted);
    if (!there || goes(*there)) continue;
    const bool source = source_is_here && wanted == name && find_named(life, name, uuid);
    if (!source) fail(Errc::unsupported, "it has a domain {} already", wanted);
  }
}

std::optional<DomainHere> find_named(Lifecycle& life, const std::string& name,
                                     const std::string& uuid) {
  for (DomainHere& one : life.with_uuid(uuid))
    if (one.name == name) return std::move(one);
  return std::nullopt;
}

std::string how_it_is(const DomainHere& guest, const std::string& name) {
  const std::string as = fmt::format("as domain {} ({})", raw(guest.domid), guest.name);
  if (guest.ended) return "is here, suspended or shut down, " + as;
  if (guest.paused) return "is here, paused, " + as;
  return guest.name == name ? "runs here" : "runs here, " + as;
}

std::string tell_namesake(Lifecycle& life, const std::string& name, const std::string& uuid) {
  try {
    const auto domid = life.find_if_there(name);
    // What is asked for may be a number, too.
    if (!domid || life.name(*domid) != name || find_named(life, name, uuid)) return {};
    return fmt::format(" (domain {}, which has its name here, is another guest)", raw(*domid));
  } catch (const Error&) {
    return {};
  }
}

}  // namespace ferry
