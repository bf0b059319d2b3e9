// The destination's decisions.
#include "handover/destination_handover.h"

namespace ferry {

void DestinationHandover::write(DestinationState state) {
  journal_.write(state);
  state_ = state;
}

void DestinationHandover::restarted() {
  switch (state_) {
    case DestinationState::receiving:
      return give_up();
    case DestinationState::held:
      if (!guest_.present()) give_up();  // this host went down, and it had not run
      return;
    case DestinationState::about_to_run:
      if (!guest_.present()) return write(DestinationState::may_have_run);
      return let_run();
    case DestinationState::never_ran:
      return guest_.discard();
    case DestinationState::runs:
    case DestinationState::may_have_run:
      return;
  }
}

void DestinationHandover::complete() {
  if (state_ != DestinationState::receiving) return;
  write(DestinationState::held);
  outbox_.send(Handover::received);
}

void DestinationHandover::failed() {
  if (state_ != DestinationState::receiving) return;
  give_up();
  outbox_.send(Handover::never_ran);
}

void DestinationHandover::link_lost() {
  if (state_ == DestinationState::receiving) give_up();
}

// Written first: from here on no go can reach the copy, which then goes.
void DestinationHandover::give_up() {
  write(DestinationState::never_ran);
  guest_.discard();
}

void DestinationHandover::run() {
  if (!guest_.present()) return give_up();  // somebody has taken it away, and it had not run
  write(DestinationState::about_to_run);
  let_run();
}

void DestinationHandover::let_run() {
  guest_.run() ? write(DestinationState::runs) : give_up();
}

void DestinationHandover::on(Handover message) {
  if (state_ == DestinationState::receiving) return failed();  // nothing is said before the end
  if (state_ == DestinationState::held) {
    if (message == Handover::go) run();
    if (message == Handover::forget || message == Handover::kept) give_up();
  }
  answer();
}

void DestinationHandover::answer() {
  switch (state_) {
    case DestinationState::held:
      return outbox_.send(Handover::received);
    case DestinationState::runs:
      return outbox_.send(Handover::running);
    case DestinationState::never_ran:
      return outbox_.send(Handover::never_ran);
    case DestinationState::may_have_run:
      return outbox_.send(Handover::may_have_run);
    case DestinationState::receiving:
    case DestinationState::about_to_run:
      return;
  }
}

}  // namespace ferry
