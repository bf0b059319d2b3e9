// What the two programs do in a world, step by step, and what can come between two steps.
#include "tests/handover/sides.h"

namespace ferry {
namespace {

bool holds_a_copy(const World& w) {
  // Of a program that is gone, the journal counts.
  const DestinationState state = w.destination_up ? w.destination_says : w.destination;
  return w.at_destination != Copy::none && state != DestinationState::receiving &&
         state != DestinationState::never_ran;
}

// Nothing here says that a go came: if the copy has run, it was by hand.
bool ran_by_hand(const World& w) {
  const auto no_go = [](DestinationState state) {
    return state != DestinationState::about_to_run && state != DestinationState::runs;
  };
  return w.unpaused_by_hand && (no_go(w.destination) || no_go(w.destination_says));
}

void resume_source(World& w) {
  w.at_source = Copy::running;
  w.source_ran = true;
}

bool xl_resumes(World& w, const Troubles& troubles, bool checked) {
  if (w.at_source != Copy::suspended || checked) return false;
  if (w.go_out) {
    if (!troubles.after_go) return false;
    w.fork_by_hand = true;
  }
  if (w.destination_ran || w.older != Older::none) w.fork_by_hand = true;
  resume_source(w);
  return true;
}

bool xl_destroys(World& w, bool checked) {
  if (w.at_source != Copy::suspended) return false;
  w.at_source = Copy::none;
  if (!holds_a_copy(w) || w.drop_out || checked) w.lost_by_hand = true;
  return true;
}

// While the source may take the guest back without asking, nobody is promised anything.
bool xl_unpauses(World& w, bool checked) {
  if (w.at_destination != Copy::suspended || w.destination_ran || checked) return false;
  w.at_destination = Copy::running;
  w.destination_ran = w.unpaused_by_hand = true;
  if (w.source != SourceState::given_away || w.source_says != SourceState::given_away ||
      w.source_ran || w.older != Older::none || w.destination != DestinationState::held ||
      w.destination_says != DestinationState::held)
    w.fork_by_hand = true;
  return true;
}

// One that somebody has let run and that is gone again cannot be told from one that never ran.
bool vanishes(World& w) {
  if (w.at_destination == Copy::none || (w.at_source == Copy::none && !w.destination_ran))
    return false;
  if (ran_by_hand(w)) w.fork_by_hand = true;
  w.at_destination = Copy::none;
  return true;
}

bool pauses(World& w) {
  if (w.at_destination != Copy::running) return false;
  w.at_destination = Copy::suspended;
  w.paused_by_hand = true;
  return true;
}

bool appears(Double& where, Double what) {
  if (where != Double::none) return false;
  where = what;
  return true;
}

bool renames(bool& renamed, Copy copy) {
  if (copy == Copy::none || renamed) return false;
  renamed = true;
  return true;
}

// The job is unsettled from before the suspend; the lock is held as long as the program lives.
bool ferry_resumes(World& w, const Remedies& remedies) {
  if (remedies.open_job && !settled(w.source)) return false;
  if (remedies.lock && w.source_up) return false;
  if (w.at_source != Copy::suspended || settled(w.source)) return false;
  resume_source(w);
  return true;
}

bool other_save(World& w, bool destroys) {
  if (!w.other_save || w.at_source != Copy::suspended) return false;
  w.other_save = false;
  if (destroys)
    w.at_source = Copy::none;
  else
    resume_source(w);
  return true;
}

// A backup has no state that was never written. Nobody puts one back under a program that works.
bool comes_back(World& w, DestinationState old) {
  if (w.destination_up || w.destination == DestinationState::never_ran || w.destination <= old)
    return false;
  w.destination = old;
  if (w.unpaused_by_hand && w.at_destination == Copy::none && !w.let_run_noted)
    w.fork_by_hand = true;
  // What it says now is that the copy is no use to anybody, and the other one is gone.
  if (old == DestinationState::receiving && w.at_source == Copy::none && !w.destination_ran)
    w.lost_by_hand = true;
  return true;
}

// Its programs die in the moment before. The destination's host is that of vanishing.
bool reboots(World& w) {
  if (w.source_up || w.at_source == Copy::none) return false;
  if (w.at_source == Copy::suspended && (!holds_a_copy(w) || w.drop_out)) w.lost_by_hand = true;
  w.at_source = Copy::none;
  w.source_renamed = false;
  return true;
}

// It is nobody's promise where a job that is settled says that the guest is elsewhere, nor for who
// forces it while another copy runs or can come to run by what was said already.
bool restores(World& w, const Remedies& remedies, bool forced) {
  const bool open = !settled(w.source);
  if (w.older != Older::none || w.at_source != Copy::none || w.source_up) return false;
  if (!forced && remedies.restore_asks && open) return false;
  const bool may_run_there = w.at_destination == Copy::running || w.go_out;
  if ((forced || !open) && may_run_there && w.at_destination != Copy::none) w.fork_by_hand = true;
  w.older = Older::here;
  return true;
}

bool restores_there(World& w, const Remedies& remedies, bool forced) {
  const bool open = !settled(w.destination);
  if (w.older != Older::none || w.at_destination != Copy::none || w.destination_up) return false;
  if (!forced && remedies.restore_asks && open) return false;
  const bool may_run_here = w.at_source == Copy::running || w.source != SourceState::given_away;
  if ((forced || !open) && may_run_here && w.at_source != Copy::none) w.fork_by_hand = true;
  if (w.destination == DestinationState::never_ran && w.at_source != Copy::none)
    w.fork_by_hand = true;
  w.older = Older::there;
  return true;
}

bool moves_on(World& w, const Remedies& remedies) {
  const bool here = w.older == Older::here && !(remedies.claims && !settled(w.source));
  const bool there = w.older == Older::there && !(remedies.claims && !settled(w.destination));
  if (!here && !there) return false;
  w.older = Older::elsewhere;
  return true;
}

bool acts(World& w, Meddler who, const Troubles& t, const Remedies& remedies, bool checked) {
  switch (who) {
    case Meddler::resumes:
      return t.by_hand && xl_resumes(w, t, checked);
    case Meddler::destroys:
      return t.by_hand && xl_destroys(w, checked);
    case Meddler::renames:
      return t.by_hand && renames(w.source_renamed, w.at_source);
    case Meddler::unpauses:
      return t.by_hand && xl_unpauses(w, checked);
    case Meddler::vanishes:
      return t.vanishing && vanishes(w);
    case Meddler::pauses:
      return t.by_hand && pauses(w);
    case Meddler::renames_there:
      return t.by_hand && renames(w.destination_renamed, w.at_destination);
    case Meddler::same_name:
      return t.doubles && appears(w.source_double, Double::same_name);
    case Meddler::same_uuid:
      return t.doubles && appears(w.source_double, Double::same_uuid);
    case Meddler::same_name_there:
      return t.doubles && appears(w.destination_double, Double::same_name);
    case Meddler::same_uuid_there:
      return t.doubles && appears(w.destination_double, Double::same_uuid);
    case Meddler::held_again:
      return t.backups && comes_back(w, DestinationState::held);
    case Meddler::receiving_again:
      return t.backups && comes_back(w, DestinationState::receiving);
    case Meddler::reboots:
      return t.reboots && reboots(w);
    case Meddler::restores:
    case Meddler::forces:
      return t.restores && restores(w, remedies, who == Meddler::forces);
    case Meddler::restores_there:
    case Meddler::forces_there:
      return t.restores && restores_there(w, remedies, who == Meddler::forces_there);
    case Meddler::moves_on:
      return t.restores && moves_on(w, remedies);
    case Meddler::ferry_resume:
      return t.other_ferry && ferry_resumes(w, remedies);
    case Meddler::save_fails:
      return t.other_ferry && other_save(w, false);
    case Meddler::save_ends:
      return t.other_ferry && other_save(w, true);
    case Meddler::none:
      return false;
  }
  return false;
}

}  // namespace

bool meddle(World& w, Meddler who, const Troubles& troubles, const Remedies& remedies,
            bool checked) {
  const bool ordinary = who == Meddler::moves_on;
  if (w.troubles == 0 && !ordinary) return false;
  if (!acts(w, who, troubles, remedies, checked)) return false;
  if (!ordinary) --w.troubles;
  return true;
}

SourceCopy SourceSide::look() {
  steps.resuming = true;
  steps.before(Step::ask);
  steps.resuming = false;
  const Found found = find();
  if (found == Found::nothing)
    return steps.remedies.look_for_gone ? SourceCopy::gone : SourceCopy::suspended;
  if (found == Found::ours && w.at_source == Copy::running && steps.remedies.look)
    return SourceCopy::runs;
  return SourceCopy::suspended;
}

void SourceSide::set_aside() {
  steps.before(Step::act);
  if (find() == Found::other) w.wrong |= other_domain_touched;
  steps.after();
}

void SourceSide::resume() {
  steps.resuming = true;
  steps.before(Step::act);
  if (find() == Found::other) w.wrong |= other_domain_touched;
  // Once that is noted nobody fails for it.
  const bool noted = w.source == SourceState::taken_back;
  if (find() == Found::nothing && steps.remedies.look_for_gone && !noted)
    throw std::runtime_error("gone");
  if (find() == Found::ours && w.at_source == Copy::suspended) resume_source(w);
  steps.after();
  steps.resuming = false;
}

void SourceSide::destroy() {
  steps.before(Step::act, true);
  if (find() == Found::other) w.wrong |= other_domain_touched;
  if (find() == Found::ours) {
    if (w.at_source == Copy::running) w.wrong |= running_guest_destroyed;
    w.at_source = Copy::none;
  }
  steps.after();
}

void SourceSide::send(HandoverMessage message) {
  const bool drops = message == HandoverMessage::forget || message == HandoverMessage::kept;
  steps.before(Step::say, true);
  if (message == HandoverMessage::go) w.go_out = true;
  if (drops) w.drop_out = true;
  const bool is_last = w.at_source == Copy::none && !w.source_ran && w.older != Older::here;
  if (drops && is_last && !w.lost_by_hand) w.wrong |= last_copy_dropped;
  if (w.linked) w.to_destination.push(message);
}

bool DestinationSide::present() {
  steps.before(Step::ask);
  return !steps.remedies.run_checked || find() != Found::nothing;
}

bool DestinationSide::has_run() {
  steps.before(Step::ask);
  if (!steps.remedies.look_unpaused || find() != Found::ours) return false;
  return w.at_destination == Copy::running || (steps.remedies.look_ran && w.destination_ran);
}

bool DestinationSide::was_let_run() {
  steps.before(Step::ask);
  return steps.remedies.run_noted && w.let_run_noted;
}

std::string DestinationSide::same_guest() {
  return steps.remedies.same_guest && w.older == Older::there ? "it is" : "";
}

void DestinationSide::check_alone() {
  if (!same_guest().empty()) throw std::runtime_error("the same guest");
}

// It has it once it ran.
bool DestinationSide::cannot_get_its_name() const {
  return steps.remedies.identity == Identity::domain && w.destination_double == Double::same_name &&
         !w.destination_ran;
}

// False: it cannot, and surely the copy has not run.
bool DestinationSide::note_let_run() {
  try {
    steps.before(Step::write);
    w.let_run_noted = true;
    steps.after();
    return true;
  } catch (const std::exception&) {
    w.let_run_noted = false;
    return false;
  }
}

bool DestinationSide::run() {
  steps.before(Step::act);
  const Found found = find();
  if (found == Found::nothing && steps.remedies.run_checked) throw std::runtime_error("gone");
  if (found == Found::other) w.wrong |= other_domain_touched;
  const bool as_left = steps.remedies.look_ran && w.destination_ran;
  if (found != Found::nothing && !note_let_run() && !as_left) return false;
  if (cannot_get_its_name()) {
    w.let_run_noted = false;
    return false;
  }
  if (found == Found::ours && !as_left) {
    w.at_destination = Copy::running;
    w.destination_ran = true;
    w.paused_by_hand = false;
  }
  steps.after();
  return true;
}

void DestinationSide::discard() {
  steps.before(Step::act, true);
  w.let_run_noted = false;
  if (find() == Found::other) w.wrong |= other_domain_touched;
  if (find() == Found::ours) {
    if (w.at_destination == Copy::running || (w.destination_ran && !w.fork_by_hand))
      w.wrong |= run_copy_discarded;
    w.at_destination = Copy::none;
  }
  steps.after();
}

void DestinationSide::send(HandoverMessage message) {
  if (message == HandoverMessage::cannot_run && !steps.remedies.keeps_whole) {
    discard();
    message = HandoverMessage::never_ran;
  }
  steps.before(Step::say);
  if (w.linked) w.to_source.push(message);
}

}  // namespace ferry
