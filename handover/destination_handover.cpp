// The destination's decisions.
#include "handover/destination_handover.h"

#include <exception>

namespace ferry {

void DestinationHandover::write(DestinationState state) {
  journal_.write(state);
  state_ = state;
}

// What is true whether or not the journal says it: who starts from the journal finds it again.
void DestinationHandover::note(DestinationState state) {
  state_ = state;
  try {
    journal_.write(state);
  } catch (const std::exception&) {
  }
}

void DestinationHandover::restarted() {
  if (state_ == DestinationState::held || state_ == DestinationState::about_to_run)
    guest_.check_alone();
  switch (state_) {
    case DestinationState::receiving:
    case DestinationState::never_ran:
      return give_up();
    case DestinationState::held:
      if (!guest_.present()) give_up();  // this host went down, and it had not run
      return;
    case DestinationState::about_to_run:
      if (!guest_.present()) return note(DestinationState::may_have_run);
      return let_run();
    case DestinationState::runs:
    case DestinationState::may_have_run:
      return;
  }
}

void DestinationHandover::complete() {
  if (state_ != DestinationState::receiving) return;
  try {
    write(DestinationState::held);
  } catch (const std::exception&) {
    failed();
    throw;
  }
  outbox_.send(HandoverMessage::received);
}

void DestinationHandover::failed() {
  if (state_ != DestinationState::receiving) return;
  give_up();
  if (state_ == DestinationState::never_ran)  // no go has been sent yet, whatever else is here
    return outbox_.send(HandoverMessage::never_ran);
  answer();
}

void DestinationHandover::link_lost() {
  if (state_ == DestinationState::receiving) give_up();
}

// The source has a copy that shall run. After a go that was noted only one that is here, and has
// not run, is thrown away: without it nobody knows what became of it.
void DestinationHandover::drop() {
  guest_.check_alone();
  if (state_ == DestinationState::about_to_run) {
    // In this order: one that ran, and vanishes between the two looks, is not said to be here.
    if (guest_.has_run()) return note(DestinationState::runs);
    if (!guest_.present()) return note(DestinationState::may_have_run);
  }
  give_up();
}

// Written first: from here on no go can reach the copy, which then goes. It is said only after
// that, so who finds a copy that has run all the same, or may have, has not said it yet.
void DestinationHandover::give_up() {
  note(DestinationState::never_ran);
  const bool was_let_run = guest_.was_let_run();
  if (was_let_run && guest_.has_run()) return note(DestinationState::runs);
  if (was_let_run && !guest_.present()) return note(DestinationState::may_have_run);
  if (guest_.has_run()) return note(DestinationState::runs);  // the last look before it goes
  guest_.discard();
}

// A go. What fails before the guest can run leaves it as it is; a journal that says it failed may
// hold the state all the same, so nothing is promised of it.
void DestinationHandover::run() {
  try {
    guest_.check_alone();
  } catch (const std::exception& e) {
    outbox_.because(e.what());
    return outbox_.send(HandoverMessage::cannot_run);
  }
  if (!guest_.present()) {
    give_up();
    return answer();
  }
  try {
    write(DestinationState::about_to_run);
  } catch (const std::exception& e) {
    outbox_.because(e.what());
    return outbox_.send(HandoverMessage::cannot_run);
  }
  let_run();
  answer();
}

void DestinationHandover::let_run() {
  bool ran = false;
  try {
    ran = guest_.run();
  } catch (const std::exception&) {
    if (guest_.present()) throw;  // who starts from the journal tries again
    return note(DestinationState::may_have_run);
  }
  if (ran) note(DestinationState::runs);
}

void DestinationHandover::on(HandoverMessage message) {
  if (state_ == DestinationState::receiving) return failed();  // nothing is said before the end
  if (state_ == DestinationState::runs) return on_after_it_ran(message);
  const bool kept = message == HandoverMessage::kept;
  if (state_ == DestinationState::never_ran && !kept) return say_never_ran();
  const bool open = state_ == DestinationState::held || state_ == DestinationState::about_to_run;
  const bool dropped = message == HandoverMessage::forget || kept;
  if (state_ == DestinationState::held && message == HandoverMessage::go) return run();
  if (state_ == DestinationState::about_to_run && !dropped) let_run();
  if (open && dropped) drop();
  answer();
}

// A source that runs its own has to be told which one is to go.
void DestinationHandover::on_after_it_ran(HandoverMessage message) {
  const bool kept = message == HandoverMessage::kept;
  if (kept ? guest_.lives_on() : guest_.present()) {
    if (kept) outbox_.because(guest_.where());
    return answer();
  }
  const std::string other = guest_.same_guest();
  outbox_.because(std::string(kRanHere) + (other.empty() ? "" : "; " + other));
  outbox_.send(HandoverMessage::may_have_run);
}

// To a source that would take its own for the only one then.
void DestinationHandover::say_never_ran() {
  if (guest_.same_guest().empty()) return outbox_.send(HandoverMessage::never_ran);
  say_may_have_run();
}

void DestinationHandover::say_may_have_run() {
  if (const std::string other = guest_.same_guest(); !other.empty()) outbox_.because(other);
  outbox_.send(HandoverMessage::may_have_run);
}

void DestinationHandover::answer() {
  switch (state_) {
    case DestinationState::held:
      return outbox_.send(HandoverMessage::received);
    case DestinationState::runs:
      return outbox_.send(HandoverMessage::running);
    case DestinationState::never_ran:
      return outbox_.send(HandoverMessage::never_ran);
    case DestinationState::may_have_run:
      return say_may_have_run();
    case DestinationState::about_to_run:
      return outbox_.send(HandoverMessage::cannot_run);
    case DestinationState::receiving:
      return;
  }
}

}  // namespace ferry
