// The source's decisions.
#include "handover/source_handover.h"

namespace ferry {

void SourceHandover::write(SourceState state) {
  journal_.write(state);
  state_ = state;
}

// Only where the other copy never ran and never will. So the guest comes first: a journal that
// cannot be written is no reason to leave it suspended, and who starts from it does this again.
void SourceHandover::take_back() {
  guest_.resume();
  write(SourceState::taken_back);
}

void SourceHandover::force_take_back() {
  write(SourceState::taken_back);
  guest_.resume();
}

void SourceHandover::restarted() {
  // No go was sent, or it was taken back already: the program died before the guest ran again.
  if (state_ == SourceState::sending) return take_back();
  if (state_ == SourceState::taken_back) guest_.resume();
}

void SourceHandover::on(HandoverMessage message) {
  switch (state_) {
    case SourceState::sending:
      if (message != HandoverMessage::received) return cancel();
      guest_.set_aside();
      write(SourceState::given_away);
      outbox_.send(HandoverMessage::go);
      return;
    case SourceState::given_away:
      return on_while_given_away(message);
    case SourceState::taken_back:
      outbox_.send(HandoverMessage::kept);
      return;
    case SourceState::done:
      return;
  }
}

void SourceHandover::on_while_given_away(HandoverMessage message) {
  switch (message) {
    case HandoverMessage::received:
      outbox_.send(HandoverMessage::go);
      return;
    case HandoverMessage::running:
      // In this order: a crash in between finds the guest given away, and asks again.
      guest_.destroy();
      write(SourceState::done);
      return;
    case HandoverMessage::never_ran:
      return take_back();
    case HandoverMessage::may_have_run:
      needs_operator_ = true;
      return;
    default:
      return;  // not the destination's to say
  }
}

void SourceHandover::link_lost() {
  if (state_ == SourceState::sending) take_back();
}

void SourceHandover::reconnected() {
  if (state_ == SourceState::given_away) outbox_.send(HandoverMessage::status);
  if (state_ == SourceState::taken_back) outbox_.send(HandoverMessage::kept);
}

void SourceHandover::cancel() {
  if (state_ == SourceState::sending) {
    take_back();
    outbox_.send(HandoverMessage::kept);
  } else if (state_ == SourceState::given_away && guest_.present()) {
    outbox_.send(HandoverMessage::forget);
  }
}

}  // namespace ferry
