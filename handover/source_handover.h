// The source's side of a handover.
//
//                  received                    running
//    sending ──────────────────→ given_away ──────────────→ done
//       │                            │
//       │ link lost, cancelled       │ never_ran, or an operator's force
//       └──────────→ taken_back ←────┘
//
// Until it has written given_away, no go was ever sent, so the guest can be resumed at once. After
// that it is resumed only if the destination has written that it never ran.
#pragma once

#include "handover/message.h"

namespace ferry {

enum class SourceState : uint8_t { sending = 1, given_away = 2, taken_back = 3, done = 4 };

// Nothing is open any more at this side.
constexpr bool settled(SourceState state) {
  return state == SourceState::taken_back || state == SourceState::done;
}

// What the handover does with the source's copy. Each can be repeated.
class SourceGuest {
 public:
  virtual ~SourceGuest() = default;
  virtual bool present() = 0;    // suspended or running here
  virtual void set_aside() = 0;  // nobody takes it for the one that runs
  virtual void resume() = 0;     // runs again, if it is suspended; not set aside any more
  virtual void destroy() = 0;    // only once the other copy runs
};

class SourceHandover {
 public:
  // From a journal's last state; sending for a new one, which has to be written by the caller.
  SourceHandover(SourceState state, HandoverJournal<SourceState>& journal, SourceGuest& guest,
                 HandoverOutbox& outbox)
      : state_(state), journal_(journal), guest_(guest), outbox_(outbox) {}

  SourceState state() const { return state_; }
  bool settled() const { return ferry::settled(state_); }
  // The destination does not know whether the guest ran: an operator has to look.
  bool needs_operator() const { return needs_operator_; }

  // Once after a start from a journal, before anything else.
  void restarted();
  void on(HandoverMessage message);
  void link_lost();
  // A link to the destination again.
  void reconnected();
  // The guest is wanted here: at once if that is safe, else the destination is asked.
  void cancel();
  // An operator takes the risk that the other copy runs, or may run later.
  // Written before the guest runs, because nobody has said that the other copy never will.
  void force_take_back();

 private:
  void on_while_given_away(HandoverMessage message);
  void take_back();
  void write(SourceState state);

  SourceState state_;
  HandoverJournal<SourceState>& journal_;
  SourceGuest& guest_;
  HandoverOutbox& outbox_;
  bool needs_operator_ = false;
};

}  // namespace ferry
