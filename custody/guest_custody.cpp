// Who is responsible for a guest on this host.
#include "custody/guest_custody.h"

#include <chrono>
#include <thread>

#include "custody/left_image.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "text/printable.h"
#include "text/say.h"
#include "xen/log_dirty.h"

namespace ferry {
namespace {

constexpr unsigned kMostPauses = 255;  // Xen counts so far

// The sentence, with another command for the operator.
[[noreturn]] void fail_with_command(const Error& error, const std::string& command) {
  const std::string sentence = error.what();
  fail(Errc::needs_operator, "{}; try: {}", sentence.substr(0, sentence.find("; try: ")), command);
}

// The note cannot stay for that: somebody else may suspend it first, and give it away.
void tell_that_it_may_suspend(domid_t domid) {
  say(fmt::format(
      "ferry: domain {0} was asked to suspend and may do so when nobody waits for it any "
      "more: if it is suspended then and runs nowhere else, try: ferry resume --force "
      "{0}\n",
      raw(domid)));
}

}  // namespace

GuestCustody::GuestCustody(const Hypervisor& xen, SuspendUndo& undo, domid_t domid, DomainLock lock)
    : xen_(xen), undo_(undo), lock_(std::move(lock)), known_(get_domain(xen, domid)) {
  was_paused_ = known_.paused;
  if (!known_.suspended) return;
  cpu_time_ns_ = known_.cpu_time_ns;
  protection_.begin();
}

GuestCustody::GuestCustody(const Hypervisor& xen, Lifecycle& life, domid_t domid, DomainLock lock)
    : GuestCustody(xen, static_cast<SuspendUndo&>(life), domid, std::move(lock)) {
  life_ = &life;
}

GuestCustody::GuestCustody(const Hypervisor& xen, Lifecycle& life, domid_t domid)
    : GuestCustody(xen, life, domid, DomainLock(domid)) {
}

void GuestCustody::take_over() {
  asked_ = log_may_be_on_ = true;
  may_suspend_yet_ = has_suspend_mark(known_);
  was_paused_ = was_paused_ || was_paused_by_suspend_mark(known_);
}

void GuestCustody::was_suspended_with(std::optional<uint64_t> cpu_time_ns) {
  if (!known_.suspended) return;
  if (cpu_time_ns) cpu_time_ns_ = cpu_time_ns;
  is_anothers_ = has_suspend_mark(known_) && job_in_suspend_mark(known_) != job_;
}

DomainInfo GuestCustody::look() const {
  const DomainInfo now = get_domain(xen_, domid());
  if (now.uuid != known_.uuid)
    fail(Errc::no_domain, "the guest that was domain {} is gone: another one has its number",
         raw(domid()));
  if (now.dying) fail(Errc::no_domain, "domain {} is being destroyed", raw(domid()));
  return now;
}

// Much depends on a guest that is gone, so one answer is not enough.
bool GuestCustody::there() const {
  for (const bool last : {false, true}) {
    try {
      look();
      return true;
    } catch (const Error& e) {
      if (e.code() != Errc::no_domain) throw;
      if (last) break;
    }
  }
  return false;
}

bool GuestCustody::has_run_since(const DomainInfo& now) const {
  return is_anothers_ || (cpu_time_ns_ && now.cpu_time_ns > *cpu_time_ns_ + kBookedLateNs);
}

bool GuestCustody::untouched() const {
  if (!there()) return false;
  const DomainInfo now = look();
  return now.suspended && !has_run_since(now);
}

void GuestCustody::check_untouched() {
  const DomainInfo now = look();
  if (!now.suspended || has_run_since(now))
    fail(Errc::guest,
         "domain {} was resumed by somebody else: what was read of it is older than its disks",
         raw(domid()));
  cpu_time_ns_ = now.cpu_time_ns;
}

void GuestCustody::about_to_suspend() {
  asked_ = true;
  protection_.begin();
  if (!images_are_settled_) withdraw_left_images(known_);  // somebody has resumed it since
  images_are_settled_ = true;
  leave_suspend_mark(domid(), known_.uuid, job_, was_paused_);
  may_suspend_yet_ = true;
}

// Xen says that a guest is suspended once all of its vCPUs are told to stop; one may be on a CPU
// for a moment more, and as long as it is, each look finds more CPU time.
DomainInfo GuestCustody::look_at_rest() const {
  constexpr unsigned kMostLooks = 1000;
  constexpr auto kBetween = std::chrono::milliseconds(1);
  DomainInfo now = look();
  for (unsigned looks = 0; now.suspended && looks < kMostLooks; ++looks) {
    const DomainInfo next = look();
    if (next.cpu_time_ns == now.cpu_time_ns) return next;
    now = next;
    std::this_thread::sleep_for(kBetween);
  }
  return now;
}

void GuestCustody::has_suspended() {
  const DomainInfo now = look_at_rest();
  if (!now.suspended) return;  // whoever was asked answered too early
  may_suspend_yet_ = false;
  cpu_time_ns_ = now.cpu_time_ns;
}

void GuestCustody::suspend() {
  about_to_suspend();
  if (was_paused_) let_it_answer();
  life_->suspend(domid());
  has_suspended();
  if (was_paused_) pause_again();
}

// However often it was paused.
void GuestCustody::let_it_answer() {
  for (unsigned times = 0; times < kMostPauses && look().paused; ++times) life_->unpause(domid());
}

// Before it is resumed, so that it does not run at all.
void GuestCustody::pause_again() noexcept {
  try {
    if (!look().paused) undo_.pause(domid());
  } catch (const Error& e) {
    say(fmt::format("ferry: domain {} was paused, and could not be paused again: {}\n",
                    raw(domid()), printable(e.what())));
  }
}

// Whatever goes wrong here, the guest may be suspended and it is for the operator to look.
bool GuestCustody::is_to_be_resumed() {
  try {
    if (!there()) return false;
    if (may_suspend_yet_ && !look().suspended && !undo_.withdraw_suspend(domid()))
      tell_that_it_may_suspend(domid());
    const DomainInfo now = look();
    return now.suspended && !has_run_since(now);
  } catch (const Error& e) {
    fail_to_resume(domid(), e.what());
  }
}

// Somebody has resumed it and has had it suspended again: that is not ours to undo.
void GuestCustody::check_left_running() {
  if (!there()) return;
  const DomainInfo now = look();
  if (!now.suspended || !has_run_since(now)) return;
  forget_note();
  asked_ = may_suspend_yet_ = false;
  fail(Errc::needs_operator,
       "domain {} has run since it was suspended, and is suspended again: somebody else has "
       "done that, and may have it elsewhere; only if it surely does not run there, try: {}",
       raw(domid()),
       job_.empty() ? fmt::format("ferry resume --force {}", raw(domid()))
                    : fmt::format("ferry job abort --force {}", job_));
}

void GuestCustody::resume() {
  try {
    undo_.resume(domid());
  } catch (const Error& e) {
    if (e.code() != Errc::needs_operator) forget_note();  // it runs all the same
    throw;
  }
}

void GuestCustody::give_back() {
  if (log_may_be_on_) stop_log_dirty(xen_, domid());
  if (!asked_) return leave_note_as_it_was();
  bool ours = false;
  try {
    ours = is_to_be_resumed();
    if (was_paused_ && (ours || may_suspend_yet_)) pause_again();
    if (ours) resume();
    withdraw_image_of_earlier_save();
  } catch (const Error& e) {
    if (e.code() == Errc::needs_operator && !job_.empty())
      fail_with_command(e, "ferry job resume " + job_);
    throw;
  }
  if (!ours) check_left_running();
  forget_note();
  asked_ = may_suspend_yet_ = false;
  protection_.end();
}

void GuestCustody::about_to_give_away() {
  const DomainInfo now = look();
  const std::string before = job_in_suspend_mark(now);
  if (before == job_) return;
  note_job(now, job_);
  if (!job_before_) job_before_ = before;
}

void GuestCustody::about_to_count(const NamedFile& image) {
  const DomainInfo now = look();
  images_before_ = images_in_suspend_mark(now);
  std::vector<NamedFile> images{image};
  for (const NamedFile& one : *images_before_) {
    const bool same = one.path == image.path && one.inode == image.inode;  // a device
    if (!same && images.size() < kMostImagesNoted) images.push_back(one);
  }
  note_images(now, images);
  image_ = image;
  images_are_settled_ = true;
}

void GuestCustody::keep_image_of_earlier_save() {
  keep_left_images(look());
  images_are_settled_ = true;
}

void GuestCustody::withdraw_image_of_earlier_save() noexcept {
  try {
    if (!images_are_settled_) withdraw_left_images(known_);
  } catch (const std::exception& e) {
    say(fmt::format("ferry: {}: an image of an earlier save may be left\n", printable(e.what())));
  }
  images_are_settled_ = true;
}

// It stays suspended as it was found; what a save of it has written is withdrawn by now.
void GuestCustody::leave_note_as_it_was() noexcept {
  try {
    if (job_before_) note_job(known_, *job_before_);
    if (images_before_) note_images(known_, *images_before_);
  } catch (const std::exception& e) {
    say(fmt::format("ferry: {}\n", printable(e.what())));
  }
}

void GuestCustody::replace_images_of_earlier_saves() noexcept {
  try {
    if (images_before_) replace_left_images(*images_before_, image_);
  } catch (const std::exception& e) {
    say(fmt::format("ferry: {}: an image of an earlier save may be left\n", printable(e.what())));
  }
}

void GuestCustody::destroy() {
  withdraw_image_of_earlier_save();
  replace_images_of_earlier_saves();
  forget_note();  // whoever destroys it counts on something else
  life_->destroy(domid());
}

void GuestCustody::forget_note() noexcept {
  clear_suspend_mark(domid());
}

}  // namespace ferry
