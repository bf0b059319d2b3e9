// A guest that is given away, as the handover wants it.
#pragma once

#include <optional>
#include <string>

#include "custody/guest_custody.h"
#include "handover/source_handover.h"
#include "migrate/guest_names.h"
#include "migrate/job_journal.h"

namespace ferry {

// The domain of a job that was broken off, in custody from now on; nothing if it surely is not here
// any more. Waits a little for whoever has it. Throws Error: busy, no_xen.
std::optional<GuestCustody> custody_of_job(const Hypervisor& xen, Lifecycle& life,
                                           const MigrationJob& job);

// For people, of a guest that nothing has happened to: "web1 runs on here", or that it is suspended
// as a broken save has left it, and the command that lets it go on.
std::string stays_here(const DomainInfo& domain, const std::string& name);

// Set aside it has xl's name for such a domain, or one like it that is free: its copy may be on
// this very host. It is known by its number and uuid (custody/guest_custody.h), whatever it is
// called.
class GuestHere final : public SourceGuest {
 public:
  GuestHere(Lifecycle& life, const MigrationJob& job, std::optional<GuestCustody>& custody)
      : life_(life), custody_(custody), name_(job.name), uuid_(job.uuid), job_(job.id) {}

  bool present() override { return custody_ && custody_->there(); }
  SourceCopy look() override;
  void set_aside() override;
  void resume() override;
  void destroy() override;

  void suspend() { custody_->suspend(); }
  // What it had had of the CPUs when it was known to be suspended.
  std::optional<uint64_t> suspended_with() const { return custody_->suspended_with(); }
  // Behind a sentence that it is not here any more, for people.
  std::string namesake() { return tell_namesake(life_, name_, uuid_); }
  // It was suspended before the job began, and nobody has asked it since.
  bool stood_still_before() { return present() && !custody_->asked_to_suspend() && is_suspended(); }
  // For people, of one that the job leaves as it found it (stays_here()).
  std::string stays_here();
  // One that runs, by look(), though it is suspended: somebody else has resumed it and suspended
  // it.
  bool was_suspended_again() { return present() && is_suspended(); }

 private:
  bool is_suspended() { return custody_->look().suspended; }
  void give_its_name_back();

  Lifecycle& life_;
  std::optional<GuestCustody>& custody_;
  std::string name_, uuid_, job_;
};

}  // namespace ferry
