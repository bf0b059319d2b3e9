/* The handover of a guest from one host to another (docs/migration.md), for the model checker spin:
 *
 *   spin -search handover.pml
 *
 * The decisions are those of source_handover.cpp and destination_handover.cpp. Either program can
 * die before each thing it does and starts again from its journal; a message can be lost, come
 * twice, and come late, also over a new link; an operator can ask for the guest back at any time.
 * Besides, at most TROUBLES times in one history, a journal cannot be written, or somebody else
 * meddles: see Meddler. At any time all of that may end (calm): then it has to settle.
 *
 * Checked: the guest never runs on both hosts, one copy can always be recovered, no copy that runs
 * or has run is thrown away, no other domain is touched, and at the end exactly one copy runs.
 *
 * What is assumed: nobody resumes the source's copy past ferry's locks between the last look at it
 * and the destination's answer, nor unpauses the destination's before the source has given it away.
 *
 * With -DDOUBLES others also rename the copies, and domains appear that have their name or uuid.
 *
 * Each remedy can be taken out; spin then finds what it is for (tests/handover/check_model):
 *   NO_LOCK            another save of the guest goes on at the same time
 *   NO_OPEN_JOB        ferry resume does not refuse a guest with an open job
 *   NO_RECHECK         the source does not look whether its copy is still suspended
 *   NO_GONE_CHECK      nor whether it is still there
 *   NO_UNPAUSED_CHECK  the destination does not look whether its copy runs before it throws it away
 *   NO_KEEPING         nor does it keep one that is whole until the source says that it has one
 *   NO_JOURNAL_CHECK   a write that failed is taken for one that did not
 *   NO_RUN_NOTE        that a go was about to let it run is noted in its journal only
 *   NO_RUN_CHECK       a copy that is not there is said to run
 *   NAME_IDENTITY      a domain is known by its name
 *   UUID_IDENTITY      or by its uuid alone
 *   NO_BINDING         any host with a certificate can settle the job
 *   NO_TIME_OUT        the source waits for the destination without limit */

#ifndef TROUBLES
#define TROUBLES 1
#endif
#ifndef UNDER_WAY
#define UNDER_WAY 2                /* messages each way at one time */
#endif

mtype = { received, running, never_ran, may_have_run, cannot_run, go, status, forget, kept };  /* messages */
mtype = { sending, given_away, taken_back, done };                              /* the source's journal */
mtype = { receiving, held, about_to_run, runs, will_never_run, unknown };       /* the destination's */
mtype = { no_copy, suspended, runs_here };                                      /* a copy of the guest */

mtype source = sending, destination = receiving;  /* what the journals say */
mtype source_copy = suspended, destination_copy = no_copy;
bit source_ran, destination_ran;                  /* since the guest was suspended to be sent */

bit holds_lock = 1;                /* the source's program lives */
bit go_out, drop_out;              /* said once, it may arrive at any time */
bit unpaused_by_hand;              /* the destination's copy */
bit let_run_noted;                 /* at the destination, apart from its journal */
bit put_back;                      /* that journal, to what it was */
bit fork_by_hand, lost_by_hand;    /* somebody did what is assumed that nobody does */
bit given, whole;                  /* the source knows that it gave it away, the destination that it has it */
bit hangs;                         /* the destination's program does nothing any more */
bit needs_operator;
bit calm;                          /* nothing fails any more */
byte troubles = TROUBLES;
#ifdef DOUBLES
bit renamed_here, renamed_there;   /* a copy, by somebody else */
bit named_alike_here, named_alike_there, uuid_alike_here, uuid_alike_there;  /* another domain */
#endif

chan to_destination = [UNDER_WAY] of { mtype };
chan to_source = [UNDER_WAY] of { mtype };

/* A full channel loses the message; so does the link, at the receiver. */
inline say(channel, message) {
  atomic { if :: nfull(channel) -> channel ! message :: full(channel) fi }
}

/* The program may die here. */
#define MAY_DIE(again) if :: skip :: !calm -> goto again fi

#if defined(NAME_IDENTITY)
#define MISTAKEN_HERE  named_alike_here
#define MISTAKEN_THERE named_alike_there
#define FOUND_HERE     (source_copy != no_copy && !renamed_here)
#define FOUND_THERE    (destination_copy != no_copy && !renamed_there)
#elif defined(UUID_IDENTITY)
#define MISTAKEN_HERE  uuid_alike_here
#define MISTAKEN_THERE uuid_alike_there
#define FOUND_HERE     (source_copy != no_copy)
#define FOUND_THERE    (destination_copy != no_copy)
#else
#define MISTAKEN_HERE  0
#define MISTAKEN_THERE 0
#define FOUND_HERE     (source_copy != no_copy)
#define FOUND_THERE    (destination_copy != no_copy)
#endif

#ifdef NO_GONE_CHECK
#define GONE 0
#else
#define GONE (!FOUND_HERE)
#endif

#ifdef NO_RECHECK
#define RESUMED 0
#else
#define RESUMED (source_copy == runs_here)
#endif

#ifdef NO_UNPAUSED_CHECK
#define UNPAUSED 0
#else
#define UNPAUSED (destination_copy != no_copy && destination_ran)  /* or was: its CPU time tells */
#endif

/* A write either works, or fails and may be on the disk all the same. */
inline write(journal, state) {
  atomic {
    failed = 0;
    if
    :: journal = state
    :: troubles > 0 && !calm ->
       troubles--;
       failed = 1;
       if
       :: journal = state
       :: skip
       fi
    fi;
#ifdef NO_JOURNAL_CHECK
    failed = 0
#endif
  }
}

inline resume_at_source() {
  atomic {
    assert(!MISTAKEN_HERE);
    if
    :: FOUND_HERE && source_copy == suspended -> source_copy = runs_here; source_ran = 1
    :: else
    fi
  }
}

/* Who tells the destination to drop its copy has one, or knows that the guest ran on here. */
inline say_drop(message) {
  atomic {
    assert(source_copy != no_copy || source_ran || lost_by_hand);
    drop_out = 1
  };
  say(to_destination, message)
}

/* Only where the other copy never ran and never will. A journal that cannot be written is no reason
 * to leave the guest suspended. */
inline take_back() {
  atomic { if :: GONE -> needs_operator = 1 :: else -> resume_at_source(); back = 1 fi };
  MAY_DIE(start);
  if
  :: back ->
     back = 0;
     if :: says == sending -> say_drop(kept) :: else fi;
     write(source, taken_back);
     if :: failed -> goto start :: else fi;
     says = taken_back
  :: else
  fi
}

/* The last look and the message that depends on it: what comes in between is assumed not to. */
inline say_go_or(otherwise) {
  atomic {
    if
    :: !GONE && !RESUMED -> go_out = 1; say(to_destination, go)
    :: else -> otherwise = 1
    fi
  }
}

/* The destination says that it may have run, whether or not it could write that down; or it did. */
#define UNKNOWN_THERE (destination == unknown || \
                       (destination == about_to_run || destination == runs || let_run_noted) && \
                       destination_copy == no_copy)

/* What an operator does who is asked, knows what happened, and sees what the other host does. */
inline operator_decides() {
  atomic {
    needs_operator = 0;
    if
    :: UNKNOWN_THERE && (destination_ran || source_copy == no_copy) ->
       assert(source_copy != runs_here || fork_by_hand);
       source_copy = no_copy;
       source = done;
       says = done
    :: (UNKNOWN_THERE || put_back && destination_copy == no_copy) &&  /* it says so, or said so before */
       !destination_ran && source_copy != no_copy ->
       source = taken_back;
       says = taken_back;
       resume_at_source()
    :: !UNKNOWN_THERE && source_copy == no_copy && !source_ran &&
       (destination == held || destination == about_to_run) ->
#ifdef DOUBLES
       named_alike_there = 0;          /* where that is why it cannot run */
#endif
       source = given_away;
       says = given_away;
       go_out = 1;
       say(to_destination, go)
    :: source_copy == no_copy && !destination_ran &&
       (destination == receiving || destination == will_never_run ||
        destination == held && source_ran) ->
       source = taken_back;
       says = taken_back
    :: destination_copy != no_copy &&                         /* it will say so, or has */
       (destination == runs || destination_ran && source_copy == no_copy &&
                               (destination == receiving || destination == will_never_run)) ||
       !UNKNOWN_THERE && destination == about_to_run && (source_copy != no_copy || source_ran)
    :: else -> assert(fork_by_hand)        /* nobody is asked who need not be */
    fi
  }
}

active proctype Source() {
  mtype message, says = sending;
  bit failed, back, otherwise, asked;
  goto end_serve;
start:
  holds_lock = 0;
  atomic {
    holds_lock = 1; says = source; failed = 0; back = 0; otherwise = 0;
    if :: says == given_away -> given = 1 :: else fi
  };
  if
  :: says == sending -> take_back()       /* no go was ever sent */
  :: says == taken_back && !GONE -> resume_at_source()
  :: else
  fi;
reconnected:
  if
  :: says == given_away || says == sending -> say(to_destination, status)
  :: says == taken_back -> say_drop(kept)
  :: else
  fi;
end_serve:
  do
  :: !calm -> goto start                   /* it dies */
  :: to_source ? message ->
     if
     :: skip
     :: !calm -> say(to_source, message)   /* and will come again */
     fi;
     if
     :: !calm -> goto end_serve                /* it is lost */
     :: says == sending && message == received && (GONE || RESUMED) -> take_back()
     :: says == sending && message == received && !(GONE || RESUMED) ->
        write(source, given_away);
        if
        :: failed -> take_back(); goto start
        :: else -> atomic { says = given_away; given = 1 }
        fi;
        MAY_DIE(start);
        say_go_or(otherwise);
        if
        :: otherwise && !GONE ->           /* no go was sent, so it stays here */
           otherwise = 0;
           resume_at_source();
           say_drop(kept);
           write(source, taken_back);
           if :: failed -> goto start :: else fi;
           says = taken_back
        :: otherwise && GONE -> otherwise = 0; needs_operator = 1
        :: else
        fi
     :: says == sending && message == never_ran && GONE -> source = taken_back; says = taken_back
     :: says == sending && message != received && !(message == never_ran && GONE) -> take_back()
     :: says == given_away && message == received ->
        say_go_or(otherwise);
        atomic {
          if                               /* a go may be under way: the destination says */
          :: otherwise && GONE -> otherwise = 0; needs_operator = 1
          :: otherwise && !GONE -> otherwise = 0; say_drop(forget)
          :: else
          fi
        }
     :: says == given_away && message == running && RESUMED -> needs_operator = 1
     :: atomic {                           /* one look, by number and uuid, and it goes */
          says == given_away && message == running && !RESUMED ->
          assert(!MISTAKEN_HERE);
          assert(source_copy != runs_here);
          source_copy = no_copy
        };
        MAY_DIE(start);
        write(source, done);
        if :: failed -> goto start :: else fi;
        says = done
     :: says == given_away && message == never_ran && GONE -> source = taken_back; says = taken_back
     :: says == given_away && message == never_ran && !GONE -> take_back()
     :: says == given_away && message == may_have_run && GONE -> source = done; says = done
     :: says == given_away && message == may_have_run && !GONE -> needs_operator = 1
     :: says == given_away && message == cannot_run ->
        atomic { if :: GONE -> needs_operator = 1 :: else -> say_drop(forget) fi }
     :: says == taken_back && !calm -> say_drop(kept)
     :: says == taken_back && calm         /* the program has ended */
     :: says == done
     fi
  :: says == sending && !calm -> take_back()  /* the link is lost, or the guest is wanted back */
  :: says == given_away && !calm && !GONE -> atomic { if :: !GONE -> say_drop(forget) :: else fi }
#ifndef NO_TIME_OUT
  :: calm && says == sending && !needs_operator -> take_back()
#endif
  :: calm && needs_operator && empty(to_source) && empty(to_destination) -> operator_decides()
  :: calm && !asked && says != done && empty(to_source) && empty(to_destination) ->
     asked = 1;
     goto reconnected
  :: !calm -> goto reconnected
  od
}

/* From here on no go can reach the copy, which then goes. It need not be durable: without a copy
 * nothing can run here. What has run is nothing to throw away. */
inline give_up() {
  write(destination, will_never_run);
  says = will_never_run;
  MAY_DIE(start);
  atomic {
    if
    :: UNPAUSED -> says = runs; destination = runs
#ifndef NO_RUN_NOTE
    :: !FOUND_THERE && let_run_noted -> says = unknown; destination = unknown
#endif
    :: else ->
       assert(!MISTAKEN_THERE);
       if
       :: FOUND_THERE ->
          assert(destination_copy != runs_here && (!destination_ran || fork_by_hand));
          destination_copy = no_copy;
          let_run_noted = 0
       :: else
       fi
    fi
  }
}

inline let_run() {
  atomic { if :: FOUND_THERE -> let_run_noted = 1 :: else fi };
  MAY_DIE(start);
  atomic {
    assert(!MISTAKEN_THERE);
    if
#ifdef DOUBLES                             /* its name is taken: it surely has not run */
    :: FOUND_THERE && named_alike_there && !destination_ran -> let_run_noted = 0
    :: FOUND_THERE && !(named_alike_there && !destination_ran) ->
#else
    :: FOUND_THERE ->
#endif
       if                                  /* one that has run stays as somebody has left it */
       :: !destination_ran -> destination_copy = runs_here; destination_ran = 1
       :: else
       fi;
       says = runs
#ifdef NO_RUN_CHECK
    :: !FOUND_THERE -> says = runs
#else
    :: !FOUND_THERE -> says = unknown
#endif
    fi
  };
  MAY_DIE(start);
  if :: says != about_to_run -> write(destination, says) :: else fi
}

active proctype Destination() {
  mtype message, says = receiving;
  bit failed;
  goto end_serve;
start:
  atomic { says = destination; failed = 0; if :: says != receiving -> whole = 1 :: else fi };
  if
  :: says == receiving || says == will_never_run -> give_up()
  :: says == about_to_run && FOUND_THERE -> let_run()
  :: says == about_to_run && !FOUND_THERE -> write(destination, unknown); says = unknown
#ifndef NO_RUN_CHECK
  :: says == held && !FOUND_THERE -> give_up()
#endif
  :: else
  fi;
end_serve:
  do
  :: !calm && !hangs -> goto start         /* it dies */
  :: !hangs && says == receiving && source == sending ->
     destination_copy = suspended;         /* all of it has arrived */
     MAY_DIE(start);
     write(destination, held);
     if
     :: failed -> give_up(); say(to_source, never_ran); goto start
     :: else -> atomic { says = held; whole = 1 }
     fi;
     MAY_DIE(start);
     say(to_source, received)
  :: !hangs && says == receiving ->        /* the link is lost, or the guest cannot be restored */
     give_up();
     MAY_DIE(start);
     goto answer
  :: !hangs && nempty(to_destination) ->
     to_destination ? message;
     if
     :: skip
     :: !calm -> say(to_destination, message)
     fi;
     if
     :: !calm -> goto end_serve
     :: says == receiving -> give_up()
     :: says == held && message == go ->
        if
#ifndef NO_RUN_CHECK
        :: !FOUND_THERE -> give_up()
        :: FOUND_THERE ->
#else
        :: true ->
#endif
           write(destination, about_to_run);
           MAY_DIE(start);
           if
#ifdef NO_KEEPING
           :: failed -> give_up()
#else
           :: failed -> say(to_source, cannot_run); goto end_serve
#endif
           :: else -> says = about_to_run; let_run()
           fi
        fi
     :: says == about_to_run && message != forget && message != kept -> let_run()
     :: says == about_to_run && (message == forget || message == kept) && !FOUND_THERE ->
        write(destination, unknown);
        says = unknown
     :: says == about_to_run && (message == forget || message == kept) && FOUND_THERE && UNPAUSED ->
        write(destination, runs);
        says = runs
     :: (says == held || says == about_to_run && FOUND_THERE && !UNPAUSED) &&
        (message == forget || message == kept) -> give_up()
     :: says == held && message != go && message != forget && message != kept
     :: says == runs || says == will_never_run || says == unknown
     fi;
     MAY_DIE(start);
answer:
     if
     :: says == held -> say(to_source, received)
     :: says == about_to_run -> say(to_source, cannot_run)
#ifdef NO_RUN_CHECK
     :: says == runs -> say(to_source, running)
#else
     :: says == runs && FOUND_THERE -> say(to_source, running)
     :: says == runs && !FOUND_THERE -> say(to_source, may_have_run)
#endif
     :: says == will_never_run -> say(to_source, never_ran)
     :: says == unknown -> say(to_source, may_have_run)
     fi
  od
}

/* Everybody else. What is done by hand where nothing is promised is marked as such. */
active proctype Meddler() {
  do
  :: atomic { troubles > 0 ->
     if
     :: source_copy == suspended && !go_out ->                        /* xl resumes it */
        source_copy = runs_here;
        source_ran = 1;
        if :: destination_ran -> fork_by_hand = 1 :: else fi
     :: source_copy == suspended && go_out && TROUBLES > 1 ->         /* even now */
        source_copy = runs_here;
        source_ran = 1;
        fork_by_hand = 1
     :: source_copy == suspended ->                                   /* xl destroys it */
        source_copy = no_copy;
        if
        :: destination_copy == no_copy || drop_out || !whole ||
           destination == receiving || destination == will_never_run -> lost_by_hand = 1
        :: else
        fi
     :: destination_copy == suspended && !destination_ran ->          /* xl unpauses it */
        destination_copy = runs_here;
        destination_ran = 1;
        unpaused_by_hand = 1;
        if
        :: source != given_away || !given || source_ran || destination != held || !whole -> fork_by_hand = 1
        :: else
        fi
     :: destination_copy == runs_here && TROUBLES > 1 ->              /* xl pauses it */
        destination_copy = suspended
     :: destination_copy != no_copy && (source_copy != no_copy || destination_ran) ->  /* it is gone */
        destination_copy = no_copy;
        if
        :: unpaused_by_hand && destination != about_to_run && destination != runs -> fork_by_hand = 1
        :: else
        fi
     :: destination == about_to_run || destination == runs || destination == unknown ->
        if                                 /* its journal comes back from a backup */
        :: destination = held
        :: destination = receiving;
           if :: source_copy == no_copy && !destination_ran -> lost_by_hand = 1 :: else fi
        fi;
        put_back = 1;
        if
        :: unpaused_by_hand && destination_copy == no_copy && !let_run_noted -> fork_by_hand = 1
        :: else
        fi
#ifdef DOUBLES
     :: source_copy != no_copy -> renamed_here = 1
     :: destination_copy != no_copy -> renamed_there = 1
     :: named_alike_here = 1                                          /* other domains appear */
     :: named_alike_there = 1
     :: uuid_alike_here = 1
     :: uuid_alike_there = 1
#endif
     :: hangs = 1
#ifdef NO_LOCK
     :: source_copy == suspended -> source_copy = runs_here; source_ran = 1   /* another save fails */
     :: source_copy == suspended -> source_copy = no_copy                     /* or ends */
#endif
#ifdef NO_OPEN_JOB
     :: source_copy == suspended && !holds_lock -> source_copy = runs_here; source_ran = 1
#endif
#ifdef NO_BINDING
     :: say(to_destination, go)                                       /* a third host */
     :: say(to_destination, forget)
     :: say(to_source, running)
     :: say(to_source, never_ran)
#endif
     fi;
     troubles-- }
  :: calm = 1; break
  od
}

#define BOTH_RAN (source_ran && destination_ran && !fork_by_hand)
#define LOST (source_copy == no_copy && destination_copy == no_copy && !source_ran && !destination_ran && !lost_by_hand)
#define HERE  (source_copy == runs_here)
#define THERE (destination_copy == runs_here)
#define STOPPED_BY_OTHERS ((source_ran && source_copy == no_copy) || (destination_ran && !THERE))

active proctype Watch() {
end:
  do
  :: atomic { BOTH_RAN -> assert(!BOTH_RAN) }
  :: atomic { LOST -> assert(!LOST) }
  :: atomic { timeout ->                   /* calm, and nothing is left to do */
       assert(fork_by_hand || lost_by_hand || STOPPED_BY_OTHERS || HERE != THERE ||
              (hangs && (source != sending || source_copy == no_copy)));
       break }
  od
}
