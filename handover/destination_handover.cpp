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
      guest_.run();
      return write(DestinationState::runs);
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
  outbox_.send(HandoverMessage::received);
}

void DestinationHandover::failed() {
  if (state_ != DestinationState::receiving) return;
  give_up();
  outbox_.send(HandoverMessage::never_ran);
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
  write(DestinationState::about_to_run);
  guest_.run();
  write(DestinationState::runs);
}

void DestinationHandover::on(HandoverMessage message) {
  if (state_ == DestinationState::receiving) return failed();  // nothing is said before the end
  if (state_ == DestinationState::held) {
    if (message == HandoverMessage::go) run();
    if (message == HandoverMessage::forget || message == HandoverMessage::kept) give_up();
  }
  answer();
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
      return outbox_.send(HandoverMessage::may_have_run);
    case DestinationState::receiving:
    case DestinationState::about_to_run:
      return;
  }
}

}  // namespace ferry
