/* The handover of a guest from one host to another (docs/migration.md), for the model checker spin:
 *
 *   spin -search handover.pml
 *
 * The decisions are those of source_handover.cpp and destination_handover.cpp. Either program can
 * die before each thing it does and starts again from its journal; a message can be lost, come
 * twice, and come late, also over a new link; an operator can ask for the guest back at any time.
 * Checked in every state: two copies never run, and there is always one that can be recovered. */

mtype = { received, running, never_ran, go, status, forget, kept };             /* messages */
mtype = { sending, given_away, taken_back, done };                              /* the source's journal */
mtype = { receiving, held, about_to_run, runs, will_never_run };                /* the destination's */
mtype = { no_copy, suspended, runs_here };                                      /* a copy of the guest */

mtype source = sending, destination = receiving;  /* what the journals say */
mtype source_copy = suspended, destination_copy = no_copy;

chan to_destination = [2] of { mtype };
chan to_source = [2] of { mtype };

/* A full channel loses the message; so does the link, at the receiver. */
inline say(channel, message) {
  if
  :: nfull(channel) -> channel ! message
  :: full(channel)
  fi
}

/* The program may die here. */
#define MAY_DIE(again) if :: skip :: goto again fi

inline resume_at_source() {
  atomic { if :: source_copy == suspended -> source_copy = runs_here :: else fi }
}

/* What may have written to the guest's disks is nothing to throw away. */
inline discard() {
  atomic { assert(destination_copy != runs_here); destination_copy = no_copy }
}

active proctype Source() {
  mtype message;
  goto serve;
start:
  if
  :: source == sending ->                 /* no go was ever sent */
     resume_at_source();
     MAY_DIE(start);
     source = taken_back
  :: source == taken_back -> resume_at_source()
  :: else
  fi;
reconnected:
  if
  :: source == given_away -> say(to_destination, status)
  :: source == taken_back -> say(to_destination, kept)
  :: else
  fi;
serve:
  do
  :: goto start                            /* it dies */
  :: to_source ? message ->
     if
     :: skip
     :: say(to_source, message)            /* and will come again */
     fi;
     if
     :: goto serve                         /* it is lost */
     :: source == sending && message == received ->
        source = given_away;
        MAY_DIE(start);
        say(to_destination, go)
     :: (source == sending && message != received) || (source == given_away && message == never_ran) ->
        resume_at_source();
        MAY_DIE(start);
        source = taken_back
     :: source == given_away && message == received -> say(to_destination, go)
     :: source == given_away && message == running ->
        source_copy = no_copy;
        MAY_DIE(start);
        source = done
     :: source == taken_back -> say(to_destination, kept)
     :: source == done
     fi
  :: source == sending ->                  /* the link is lost, or the guest is wanted back */
     resume_at_source();
     MAY_DIE(start);
     source = taken_back
  :: source == given_away -> say(to_destination, forget)
  :: goto reconnected
  od
}

/* Its name may be taken, or Xen refuse: that is certain as long as it does not run. */
#define let_run() if \
  :: destination_copy = runs_here; MAY_DIE(start); destination = runs \
  :: destination_copy != runs_here -> destination = will_never_run; MAY_DIE(start); discard() \
  fi

active proctype Destination() {
  mtype message;
  goto serve;
start:
  if
  :: destination == receiving -> destination = will_never_run; MAY_DIE(start); discard()
  :: destination == will_never_run -> discard()
  :: destination == about_to_run -> let_run()
  :: else
  fi;
serve:
  do
  :: goto start                            /* it dies */
  :: destination == receiving && source == sending ->
     destination_copy = suspended;         /* all of it has arrived */
     MAY_DIE(start);
     destination = held;
     MAY_DIE(start);
     say(to_source, received)
  :: destination == receiving ->           /* the link is lost, or the guest cannot be restored */
     destination = will_never_run;
     MAY_DIE(start);
     discard();
     say(to_source, never_ran)
  :: to_destination ? message ->
     if
     :: skip
     :: say(to_destination, message)
     fi;
     if
     :: goto serve
     :: destination == receiving ->
        destination = will_never_run;
        MAY_DIE(start);
        discard()
     :: destination == held && message == go ->
        destination = about_to_run;
        MAY_DIE(start);
        let_run()
     :: destination == held && (message == forget || message == kept) ->
        destination = will_never_run;
        MAY_DIE(start);
        discard()
     :: destination == held && message == status
     :: destination == runs || destination == will_never_run
     fi;
     MAY_DIE(start);
     if
     :: destination == held -> say(to_source, received)
     :: destination == runs -> say(to_source, running)
     :: destination == will_never_run -> say(to_source, never_ran)
     fi
  od
}

active proctype Watch() {
end:
  atomic {
    (source_copy == runs_here && destination_copy == runs_here) ||
    (source_copy == no_copy && destination_copy == no_copy) -> assert(false)
  }
}
