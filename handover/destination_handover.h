// The destination's side of a handover.
//
//                complete            go                    it runs
//    receiving ────────────→ held ─────────→ about_to_run ─────────→ runs
//        │                    │                │   │
//        │ failed, link lost  │ forget, kept   │   │ this host went down in between
//        └────→ never_ran ←───┴────────────────┘   └──────→ may_have_run
//
// "About to run" is written before the guest can run, so as long as it is not written the guest
// never ran, and never_ran is final: a go that comes late is refused. Without a copy nothing can
// run here either, so a journal that cannot be written does not keep never_ran from being said; and
// a copy that has run all the same, because somebody unpaused it, is never thrown away.
//
// From about_to_run it is said only of a copy that is here and surely has not run: one that is gone
// may have, whoever wants it back.
//
// A whole copy is never thrown away on this side's word alone: the source's may be gone by then. So
// after a go that cannot be followed (the journal cannot be written, the copy surely cannot run)
// the copy stays, paused, and cannot_run asks. It promises nothing: only forget and kept, which the
// source says while it has a copy, end in never_ran.
//
// A journal may come back from a backup, older than what has happened. Of a copy that is gone the
// guest knows then whether a go was about to let it run: it may have.
//
// Who asks later whether it runs hears what is true then. One that ran and is gone since
// may_have_run: its source keeps what it has of it until an operator says what shall become of
// that. Another domain that is the same guest is no copy of this job's: nobody knows whether it is
// newer than what the source has. So it is not said to be the one that ran; and whatever the
// journal says, which may be an old one, never_ran is not said beside it.
#pragma once

#include <string>
#include <string_view>

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

// In what a destination says of a copy that has run, by which the source knows what it is about.
inline constexpr std::string_view kRanHere = "it ran here, and is not here any more";

// Nothing is open any more at this side.
constexpr bool settled(DestinationState state) {
  return state == DestinationState::runs || state == DestinationState::never_ran;
}

// What the handover does with the destination's copy. Each can be repeated, and throws if it
// failed. The copy is the one domain that this job has built: another one of its name or with its
// uuid is somebody else.
class DestinationGuest {
 public:
  virtual ~DestinationGuest() = default;
  virtual bool present() = 0;  // complete, paused or running
  // It runs, or has run since it was whole, whoever let it; also where that cannot be told.
  virtual bool has_run() { return false; }
  // Of one that is not here: a go was about to let it run, whatever the journal says.
  virtual bool was_let_run() { return false; }
  // Throws if another domain here is this guest, too: then nobody can say what has become of it.
  virtual void check_alone() {}
  // Another domain here that is this guest, too, for people; empty: there is none.
  virtual std::string same_guest() { return {}; }
  // Of one that ran: it is here still, or another domain that is this guest.
  virtual bool lives_on() { return present(); }
  // Of the same, for people at its source: under which number and name.
  virtual std::string where() { return {}; }
  // Lets it run; one that has run already is left as it is. False: it cannot, and surely never did.
  // Throws what leaves open whether it ran.
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
  bool settled() const { return ferry::settled(state_); }

  // Once after a start from a journal, before anything else.
  void restarted();
  // The guest is here as a whole, paused; or it will never be.
  void complete();
  void failed();
  void on(HandoverMessage message);
  void link_lost();

 private:
  void run();
  void let_run();
  void drop();
  void give_up();
  void on_after_it_ran(HandoverMessage message);
  void say_never_ran();
  void say_may_have_run();
  void note(DestinationState state);
  void answer();
  void write(DestinationState state);

  DestinationState state_;
  HandoverJournal<DestinationState>& journal_;
  DestinationGuest& guest_;
  HandoverOutbox& outbox_;
};

}  // namespace ferry
