// The copy of a guest that arrives at this host, told from every other domain.
//
// Its uuid is also that of the source's copy, which may be on this very host, and names are unique
// for a moment only. So it is known by uuid and domid, of this boot of the host, from the moment it
// exists. Only whoever has just had it made finds it by its uuid and xl's name for an arriving
// domain, NAME--incoming. One that a journal has no number of may be anybody's, and is left alone.
#pragma once

#include <optional>
#include <string>

#include "migrate/guest_names.h"
#include "migrate/job_journal.h"
#include "xen/lifecycle.h"

namespace ferry {

class IncomingCopy {
 public:
  IncomingCopy(Lifecycle& life, const MigrationJob& job);

  // As xl calls it until it runs.
  std::string incoming_name() const { return ferry::incoming_name(job_.name); }

  // That a new copy can have its names. Throws Error(unsupported): another domain has one of them,
  // or this very guest is here already.
  void check_names();
  // Takes note of a copy that has just been made; whether there is one.
  bool look();
  // It was made by us, with this number.
  void made(domid_t domid) { number(domid); }
  const std::optional<CopyNumber>& known() const { return job_.copy; }

  // The one with the number that is known; nothing if none is. Throws Error(internal) if the
  // toolstack does not answer.
  std::optional<DomainHere> find();
  // Throws Error(needs_operator), saying what is to be done on which host, if another domain here
  // is this guest, too (same_guest.h).
  void check_alone();
  // For people at its source: that other domain. Empty: there is none.
  std::string same_guest();
  // Once it ran: it, or another domain that is this guest.
  bool lives_on();
  // It is whole, and has not been let run: what it has used of the CPUs until now is noted.
  void whole();
  // Whether it runs, or has run since, whoever let it and whatever it is called now.
  bool has_run();
  // Whether run() was about to let it run, in this run of the host, whatever a journal says.
  bool was_let_run() const;
  // For people: "runs here", "is here, paused, as domain 3 (web1)", "is not here any more".
  std::string how_it_is();
  // For people at its source: its number and name, and what destroys it. Empty if it is gone.
  std::string where();
  // Gives it its name and lets it run, if it has not run already, and was not paused where it comes
  // from. False: it cannot, and surely never did; why() says why. Throws
  // Error(needs_operator) if that is not certain.
  bool run();
  const std::string& why() const { return why_; }
  // What run() says then; false.
  bool cannot_run(std::string why);
  // Destroys it, if it is here.
  void discard();

 private:
  void number(domid_t domid);
  std::optional<DomainHere> what_goes_on();
  bool is_half(const DomainHere& copy) const;
  bool has_run(const DomainHere& copy) const;
  bool rename(const DomainHere& copy);
  bool unpause(const DomainHere& copy);
  void call_it_arriving(const DomainHere& copy);

  Lifecycle& life_;
  MigrationJob job_;
  std::string why_;
};

}  // namespace ferry
