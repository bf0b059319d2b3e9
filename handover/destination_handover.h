// The destination's side of a handover.
//
//                complete            go                    it runs
//    receiving ────────────→ held ─────────→ about_to_run ─────────→ runs
//        │                    │                  │ │
//        │ failed, link lost  │ forget, kept     │ │ this host went down in between
//        │                    │ it has vanished  │ └──────→ may_have_run
//        └────→ never_ran ←───┴──────────────────┘
//                                it surely cannot run
//
// "About to run" is written before the guest can run, so as long as it is not written the guest
// never ran, and never_ran is final: a go that comes late is refused.
#pragma once

#include "handover/message.h"

namespace ferry {

enum class DestinationState : uint8_t {
  receiving = 1,
  held = 2,
  about_to_run = 3,
  runs = 4,
  never_ran = 5,
  may_have_run = 6,
};

// What the handover does with the destination's copy. Each can be repeated.
class DestinationGuest {
 public:
  virtual ~DestinationGuest() = default;
  virtual bool present() = 0;  // complete, paused or running
  // Lets it run; one that runs already does so. False: it cannot, and surely never did. Throws
  // what leaves open whether it ran.
  virtual bool run() = 0;
  virtual void discard() = 0;  // whatever of it is here, if it never ran
};

class DestinationHandover {
 public:
  // From a journal's last state; receiving for a new one, which has to be written by the caller.
  DestinationHandover(DestinationState state, HandoverJournal<DestinationState>& journal,
                      DestinationGuest& guest, HandoverOutbox& outbox)
      : state_(state), journal_(journal), guest_(guest), outbox_(outbox) {}

  DestinationState state() const { return state_; }
  bool settled() const {
    return state_ == DestinationState::runs || state_ == DestinationState::never_ran;
  }

  // Once after a start from a journal, before anything else.
  void restarted();
  // The guest is here as a whole, paused; or it will never be.
  void complete();
  void failed();
  void on(Handover message);
  void link_lost();

 private:
  void run();
  void let_run();
  void give_up();
  void answer();
  void write(DestinationState state);

  DestinationState state_;
  HandoverJournal<DestinationState>& journal_;
  DestinationGuest& guest_;
  HandoverOutbox& outbox_;
};

}  // namespace ferry
