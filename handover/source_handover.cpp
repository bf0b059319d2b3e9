// The source's decisions.
#include "handover/source_handover.h"

#include <exception>

namespace ferry {

void SourceHandover::write(SourceState state) {
  journal_.write(state);
  state_ = state;
}

// Only where the other copy never ran and never will. So the guest comes first: a journal that
// cannot be written is no reason to leave it suspended, and who starts from it does this again.
// Where somebody has destroyed it, the other copy may be the only one: nobody is told to drop that.
void SourceHandover::take_back(bool tell) {
  if (guest_.look() == SourceCopy::gone) {
    needs_operator_ = !theirs_;
    return;
  }
  guest_.resume();
  if (tell) outbox_.send(HandoverMessage::kept);
  write(SourceState::taken_back);
}

void SourceHandover::force_take_back() {
  write(SourceState::taken_back);
  guest_.resume();
}

void SourceHandover::force_give_away() {
  theirs_ = true;
}

void SourceHandover::restarted() {
  // No go was sent, or it was taken back already: the program died before the guest ran again.
  if (state_ == SourceState::sending) return take_back();
  if (state_ == SourceState::taken_back) guest_.resume();
}

void SourceHandover::on(HandoverMessage message) {
  switch (state_) {
    case SourceState::sending:
      return on_while_sending(message);
    case SourceState::given_away:
      return on_while_given_away(message);
    case SourceState::taken_back:
      if (message == HandoverMessage::running) needs_operator_ = true;  // somebody let it
      outbox_.send(HandoverMessage::kept);
      return;
    case SourceState::done:
      return;
  }
}

void SourceHandover::on_while_sending(HandoverMessage message) {
  if (message == HandoverMessage::received) return give_away();
  if (message == HandoverMessage::never_ran) return on_never_ran();
  // It is gone here, and an operator says that it is theirs: nothing is left to ask for.
  const bool has_it =
      message == HandoverMessage::running || message == HandoverMessage::may_have_run;
  if (theirs_ && has_it && guest_.look() == SourceCopy::gone) return write(SourceState::done);
  cancel();
}

// Whatever fails or has changed before go takes the guest back: no go was ever sent.
void SourceHandover::give_away() {
  if (guest_.look() == SourceCopy::gone && !theirs_) return take_back();
  try {
    if (!theirs_) guest_.set_aside();
    if (!may_go()) return cancel();
    write(SourceState::given_away);
  } catch (const std::exception&) {
    take_back(true);
    throw;
  }
  if (may_go()) return outbox_.send(HandoverMessage::go);
  take_back(true);
}

// Nothing stands between this and the go.
bool SourceHandover::may_go() {
  const SourceCopy copy = guest_.look();
  return copy == SourceCopy::suspended || (copy == SourceCopy::gone && theirs_);
}

void SourceHandover::on_while_given_away(HandoverMessage message) {
  switch (message) {
    case HandoverMessage::received:
      return go_again();
    case HandoverMessage::running:
      return on_running();
    case HandoverMessage::never_ran:
      return on_never_ran();
    case HandoverMessage::may_have_run:
      return on_may_have_run();
    case HandoverMessage::cannot_run:
      return on_cannot_run();
    default:
      return;  // not the destination's to say
  }
}

// A go may be under way already. So a guest that somebody has resumed here meanwhile is not simply
// taken back: the destination says whether that go came first.
void SourceHandover::go_again() {
  if (may_go()) return outbox_.send(HandoverMessage::go);
  if (guest_.look() == SourceCopy::gone)
    needs_operator_ = true;
  else
    outbox_.send(HandoverMessage::forget);
}

void SourceHandover::on_running() {
  if (guest_.look() == SourceCopy::runs) {  // somebody resumed it: not ours to destroy
    needs_operator_ = true;
    return;
  }
  // In this order: a crash in between finds the guest given away, and asks again.
  guest_.destroy();
  write(SourceState::done);
}

void SourceHandover::on_never_ran() {
  if (guest_.look() != SourceCopy::gone) return take_back();
  write(SourceState::taken_back);  // nothing is left to decide about,
  guest_.resume();                 // and this says why
}

void SourceHandover::on_may_have_run() {
  const bool gone = guest_.look() == SourceCopy::gone;
  if (!gone && !theirs_) {
    needs_operator_ = true;
    return;
  }
  if (!gone) return on_running();
  write(SourceState::done);
}

// The copy there is kept until we have said that there is one here.
void SourceHandover::on_cannot_run() {
  if (guest_.look() == SourceCopy::gone)
    needs_operator_ = true;
  else
    outbox_.send(HandoverMessage::forget);
}

void SourceHandover::link_lost() {
  if (state_ == SourceState::sending) take_back();
}

void SourceHandover::reconnected() {
  if (!settled()) outbox_.send(HandoverMessage::status);
  if (state_ == SourceState::taken_back) outbox_.send(HandoverMessage::kept);
}

void SourceHandover::cancel() {
  if (state_ == SourceState::sending) {
    take_back(true);
  } else if (state_ == SourceState::given_away && guest_.look() != SourceCopy::gone) {
    outbox_.send(HandoverMessage::forget);
  }
}

}  // namespace ferry
