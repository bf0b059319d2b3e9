// Who is responsible for a guest on this host: one object, from before the guest is asked to
// suspend until it is destroyed, given away or taken back (custody/README.md).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "custody/domain_lock.h"
#include "custody/oom_protection.h"
#include "files/named_file.h"
#include "xen/domain.h"
#include "xen/lifecycle.h"

namespace ferry {

// It holds the domain's lock as long as it lives; knows the domain by its number and uuid, never by
// its name; remembers what was done in its name and undoes only that; and asks Xen again before
// each step that cannot be taken back. While the guest may be suspended this process is not the
// one that Linux ends when dom0's memory runs out.
class GuestCustody {
 public:
  // With libxl's part, or, for a helper, without it. Throws Error: busy, no_domain.
  GuestCustody(const Hypervisor& xen, Lifecycle& life, domid_t domid);
  GuestCustody(const Hypervisor& xen, SuspendUndo& undo, domid_t domid, DomainLock lock);
  GuestCustody(const Hypervisor& xen, Lifecycle& life, domid_t domid, DomainLock lock);

  const Hypervisor& xen() const { return xen_; }
  domid_t domid() const { return known_.domid; }
  DomainLock& lock() { return lock_; }

  // It is a migration's: only the job's own commands resume it (32 hex digits).
  void belongs_to(const std::string& job) { job_ = job; }
  // Before such a guest is given away: the note says so, also if a save that was broken off had
  // left it and suspended the guest. Throws Error(io).
  void about_to_give_away();
  // Somebody who is gone now may have asked it to suspend, and may have left a dirty log on.
  void take_over();
  // Its job (belongs_to()) was broken off: had it so much CPU time when the job had suspended it?
  // Nothing: nobody noted that. It has been resumed since, too, where somebody else has noted that
  // he has suspended it.
  void was_suspended_with(std::optional<uint64_t> cpu_time_ns);
  // An engine starts to read its memory, maybe with a dirty log.
  void reading() { log_may_be_on_ = true; }

  // As Xen has it now. Throws Error(no_domain) if it is gone, or another domain has its number.
  DomainInfo look() const;
  // False only if it surely is not here any more. Throws if Xen cannot be asked.
  bool there() const;
  // Suspended, and nobody has resumed it since this knew it to be. Throws if Xen cannot be asked.
  bool untouched() const;
  // What it had had of the CPUs when it was known to be; nothing for one that runs.
  std::optional<uint64_t> suspended_with() const { return cpu_time_ns_; }
  // Right before a step that depends on that and cannot be taken back. Throws Error(guest).
  void check_untouched();

  // Asks it, and returns when it is suspended; the note of it (custody/suspend_mark.h) goes before.
  // A paused guest runs until it has suspended and is paused then: nobody else can suspend it.
  // Throws what Lifecycle::suspend() throws.
  void suspend();
  bool was_paused() const { return was_paused_; }
  // The same in two steps, for whom somebody else asks.
  void about_to_suspend();
  void has_suspended();
  bool asked_to_suspend() const { return asked_; }
  // Right before an image gets its name that the guest is to be destroyed for: whoever takes the
  // guest back after a crash finds it in the note, beside those of earlier saves that were broken
  // off. Throws Error(io).
  void about_to_count(const NamedFile& image);
  // Once that image has its name, and nobody has resumed the guest: those of earlier saves go.
  void replace_images_of_earlier_saves() noexcept;
  // The guest goes for a stream, of which nobody knows where it ends: an earlier image stays.
  void leave_image_of_earlier_save() noexcept { images_are_settled_ = true; }
  // A delta is to be written that may build upon it: it stays, and its note goes. Throws Error(io).
  void keep_image_of_earlier_save();

  // Undoes what was done: a dirty log is off, a guest that was asked to suspend runs again, or is
  // paused as it was, or its request is withdrawn, and the note is gone. Nothing happens to a guest
  // that was never asked, or that somebody else has resumed; the note of one that was suspended
  // before says again what it said. Throws Error(needs_operator), naming
  // the command that brings it back; the note is still there then.
  void give_back();
  // After check_untouched(). Throws Error(needs_operator).
  void destroy();
  // It is somebody else's from now on, or none's: the note means nothing any more.
  void forget_note() noexcept;

 private:
  bool has_run_since(const DomainInfo& now) const;
  DomainInfo look_at_rest() const;
  bool is_to_be_resumed();
  void check_left_running();
  void let_it_answer();
  void pause_again() noexcept;
  void resume();
  void withdraw_image_of_earlier_save() noexcept;
  void leave_note_as_it_was() noexcept;

  const Hypervisor& xen_;
  SuspendUndo& undo_;
  Lifecycle* life_ = nullptr;
  DomainLock lock_;
  DomainInfo known_;
  std::string job_;
  std::optional<std::string> job_before_;                // in the note, if it named another one
  std::optional<std::vector<NamedFile>> images_before_;  // in the note, of earlier saves
  NamedFile image_;                                      // of this one
  bool was_paused_ = false;
  bool asked_ = false;            // to suspend
  bool may_suspend_yet_ = false;  // it was, and nobody has seen it do so
  bool log_may_be_on_ = false;
  bool images_are_settled_ = false;      // no image that a note names is older than the guest
  bool is_anothers_ = false;             // somebody else has suspended it since
  std::optional<uint64_t> cpu_time_ns_;  // when it was known to be suspended
  OomProtection protection_;             // while it may be suspended
};

}  // namespace ferry
