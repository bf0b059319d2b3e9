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
//
// A guest that is suspended is everybody's to see, and its host's other programs can resume or
// destroy it. So it is looked at right before go and right before it is destroyed: no go is sent
// for a guest that runs here, none that runs is destroyed, and where it is gone the destination is
// not told to drop the copy that may be the last one. What nothing here prevents is a hand that
// resumes the guest, past ferry's locks, between that look and the destination's answer.
#pragma once

#include "handover/message.h"

namespace ferry {

enum class SourceState : uint8_t { sending = 1, given_away = 2, taken_back = 3, done = 4 };

// Nothing is open any more at this side.
constexpr bool settled(SourceState state) {
  return state == SourceState::taken_back || state == SourceState::done;
}

enum class SourceCopy : uint8_t {
  suspended,  // as this job has suspended it: it has not run since
  runs,       // or may have, whoever resumed it
  gone,       // no domain here is the one that this job suspended
};

// What the handover does with the source's copy. Each can be repeated, and throws if it failed.
// The guest is the one domain that this job suspended: another one of its name or with its uuid,
// also its own copy on this very host, is somebody else.
class SourceGuest {
 public:
  virtual ~SourceGuest() = default;
  virtual bool present() = 0;  // suspended or running here
  // Asked anew of Xen each time. An implementation that does not ask leaves go unguarded.
  virtual SourceCopy look() { return present() ? SourceCopy::suspended : SourceCopy::gone; }
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
  // An operator has to look: the destination does not know whether the guest ran, the domain here
  // was destroyed or resumed by somebody else, or both copies run.
  bool needs_operator() const { return needs_operator_; }

  // Once after a start from a journal, before anything else.
  void restarted();
  void on(HandoverMessage message);
  void link_lost();
  // A link to the destination again.
  void reconnected();
  // The guest is wanted here: at once if that is safe, else the destination is asked. Also after
  // a destination that has made no progress for too long.
  void cancel();
  // An operator takes the risk that the other copy runs, or may run later.
  // Written before the guest runs, because nobody has said that the other copy never will.
  void force_take_back();
  // An operator says that the guest is the destination's, though the domain here is gone or nobody
  // knows whether the other one ran. To be called before the events that it is to count for.
  void force_give_away();

 private:
  void on_while_sending(HandoverMessage message);
  void on_while_given_away(HandoverMessage message);
  void give_away();
  bool may_go();
  void go_again();
  void on_running();
  void on_never_ran();
  void on_may_have_run();
  void on_cannot_run();
  void take_back(bool tell = false);
  void write(SourceState state);

  SourceState state_;
  HandoverJournal<SourceState>& journal_;
  SourceGuest& guest_;
  HandoverOutbox& outbox_;
  bool needs_operator_ = false;
  bool theirs_ = false;
};

}  // namespace ferry
