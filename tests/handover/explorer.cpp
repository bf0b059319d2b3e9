// Visits every world that can be reached.
#include "tests/handover/explorer.h"

namespace ferry {
namespace {

const Troubles kNoTroubles = {.most = 0};

// The event, from what the program takes for true. Whatever throws ends the program.
template <typename Event>
unsigned source_event(World& w, Disturbance d, const Troubles& t, const Remedies& r, Event event,
                      bool* disturbed = nullptr, bool* asked = nullptr) {
  Steps steps(w, d, t, r);
  SourceSide side(steps);
  SourceHandover machine(w.source_says, side, side, side);
  const auto ends = [&] { w.source_up = w.linked = false; };
  try {
    event(machine);
    w.source_says = machine.state();
  } catch (const Crash&) {
    ends();
  } catch (const std::exception&) {
    ends();
    if (!w.go_out && !w.destination_ran && w.at_source == Copy::suspended && !steps.resuming)
      w.wrong |= left_suspended;
  }
  if (disturbed) *disturbed = steps.disturbed;
  if (asked) *asked |= machine.needs_operator();
  return steps.count();
}

template <typename Event>
unsigned destination_event(World& w, Disturbance d, const Troubles& t, const Remedies& r,
                           Event event, bool* disturbed = nullptr) {
  Steps steps(w, d, t, r);
  DestinationSide side(steps);
  DestinationHandover machine(w.destination_says, side, side, side);
  try {
    event(machine);
    w.destination_says = machine.state();
  } catch (const Crash&) {
    w.destination_up = w.linked = false;
  } catch (const std::exception&) {
    w.destination_up = w.linked = false;
  }
  if (disturbed) *disturbed = steps.disturbed;
  return steps.count();
}

void source_starts(World& w) {
  w.source_up = true;
  w.source_says = w.source;
}
void destination_starts(World& w) {
  w.destination_up = true;
  w.destination_says = w.destination;
}

bool runs_beside_older(const World& w) {
  return w.older != Older::none && !w.fork_by_hand &&
         (w.at_source == Copy::running || w.at_destination == Copy::running);
}

// The two ends of a quiet world.
struct Quiet {
  World w;
  const Remedies& remedies;
  bool asked = false;

  template <typename Event>
  void source(Event event) {
    source_event(w, {}, kNoTroubles, remedies, event, nullptr, &asked);
    w.linked = true;
    if (!w.source_up) source_starts(w);
  }
  template <typename Event>
  void destination(Event event) {
    destination_event(w, {}, kNoTroubles, remedies, event);
    w.linked = true;
    if (!w.destination_up) destination_starts(w);
  }

  void source_is(SourceState state) { w.source = w.source_says = state; }
  void destination_is(DestinationState state) { w.destination = w.destination_says = state; }

  void start() {
    w.linked = false;
    w.to_destination.clear(), w.to_source.clear();
    if (w.source_up) source([](SourceHandover& s) { s.link_lost(); });
    if (w.destination_up) destination([](DestinationHandover& d) { d.link_lost(); });
    if (!w.source_up) source_starts(w);
    if (!w.destination_up) destination_starts(w);
    destination([](DestinationHandover& d) { d.restarted(); });
  }

  // Another domain is the guest, too, where a job is open for it: each end stops there, and names
  // what settles that.
  bool is_one_too_many() const {
    if (!remedies.same_guest) return false;
    if (w.older == Older::here) return !settled(w.source);
    return w.older == Older::there && (w.destination_says == DestinationState::held ||
                                       w.destination_says == DestinationState::about_to_run);
  }

  // The source's command: it calls, and talks until it is done. `prepare` is what it was told.
  template <typename Prepare>
  void talk(Prepare prepare) {
    asked = is_one_too_many();
    if (asked) return;
    source([&](SourceHandover& s) { prepare(s), s.restarted(), s.reconnected(); });
    for (int i = 0; i < 20 && !(w.to_destination.empty() && w.to_source.empty()); ++i) {
      if (!w.to_destination.empty()) {
        const HandoverMessage message = w.to_destination.front();
        w.to_destination.pop();
        destination([&](DestinationHandover& d) { d.on(message); });
      }
      if (!w.to_source.empty()) {
        const HandoverMessage message = w.to_source.front();
        w.to_source.pop();
        if (!settled(w.source_says)) source([&](SourceHandover& s) { prepare(s), s.on(message); });
      }
    }
  }
};

// The command that the message names, chosen by one who knows what happened.
void operator_decides(Quiet& quiet) {
  const World& w = quiet.w;
  // What has come to run is the one that goes on: ferry job abort --force here, or ferry job resume
  // --force there. So is one that ran here and went down with its host: it is started again, first.
  const bool went_down_here = w.source_ran && w.at_source == Copy::none;
  if (w.older == Older::there) quiet.destination_is(DestinationState::runs);
  if (w.older == Older::here || (w.older == Older::none && went_down_here)) {
    quiet.source_is(SourceState::taken_back);
    return quiet.talk([](SourceHandover&) {});
  }
  const bool theirs =
      w.older != Older::none || w.destination_ran || (w.at_source == Copy::none && !w.source_ran);
  if (theirs) quiet.w.destination_double = Double::none;  // its name is free again
  if (!theirs) quiet.source([](SourceHandover& s) { s.force_take_back(); });
  quiet.talk([theirs](SourceHandover& s) {
    if (theirs) s.force_give_away();
  });
}

}  // namespace

std::string How::text() const {
  constexpr std::string_view kTwists[] = {"",
                                          ", crash before step {}",
                                          ", step {} refused",
                                          ", step {} fails late",
                                          ", disk full from step {}",
                                          ", before step {}: "};
  std::string line = event;
  if (message != HandoverMessage{}) line += fmt::format(" {}", name_of(message));
  line +=
      fmt::format(fmt::runtime(kTwists[static_cast<size_t>(disturbance.twist)]), disturbance.at);
  if (disturbance.who != Meddler::none) line += name_of(disturbance.who);
  return line;
}

End settle(World w, const Remedies& remedies) {
  Quiet quiet{w, remedies};
  quiet.start();
  quiet.talk([](SourceHandover&) {});
  const bool asked = quiet.asked;
  if (asked) {
    const bool ran_and_gone =
        quiet.w.destination_says == DestinationState::runs && quiet.w.at_destination == Copy::none;
    const bool unknown = quiet.w.destination_says == DestinationState::may_have_run ||
                         ran_and_gone || quiet.w.at_source == Copy::none || quiet.w.fork_by_hand ||
                         quiet.w.older != Older::none;
    if (!unknown) quiet.w.wrong |= asked_needlessly;
    operator_decides(quiet);
  }
  return {quiet.w, asked};
}

std::string Explorer::find(Wrong wanted) {
  wanted_ = wanted;
  World start;
  start.troubles = static_cast<uint8_t>(troubles_.most);
  start.other_save = troubles_.other_ferry && !remedies_.lock;
  visit(start, {"start"}, 0);
  for (size_t i = 0; i < visited_.size() && found_.empty(); ++i) leave(i);
  return found_;
}

void Explorer::visit(World w, const How& how, size_t parent) {
  ++steps_;
  const bool is_new = index_.insert(w.key()).second;
  if ((!is_new && !(w.wrong & wanted_)) || !found_.empty()) return;
  check(w);
  const auto wrong = static_cast<Wrong>(w.wrong & wanted_);
  w.wrong = 0;
  visited_.push_back({w, parent, how});
  if (wrong) found_ = std::string(name_of(wrong)) + path_to(visited_.size() - 1);
}

void Explorer::check(World& w) const {
  if (w.source_ran && w.destination_ran && !w.fork_by_hand) w.wrong |= runs_twice;
  if (runs_beside_older(w)) w.wrong |= runs_twice;
  if (w.at_source == Copy::none && w.at_destination == Copy::none && w.older == Older::none &&
      !w.source_ran && !w.destination_ran && !w.lost_by_hand)
    w.wrong |= is_lost;

  // A destination that says nothing more: before go, the source does not wait for it.
  if (w.source_up && w.source_says == SourceState::sending && w.at_source != Copy::none) {
    World silent = w;
    if (remedies_.time_out)
      source_event(silent, {}, kNoTroubles, remedies_, [](SourceHandover& s) { s.cancel(); });
    if (silent.at_source != Copy::running) w.wrong |= waits_for_ever;
  }

  const World end = settle(w, remedies_).world;
  w.wrong |= end.wrong;
  if (end.fork_by_hand) return;
  if (end.source_ran && end.destination_ran) w.wrong |= runs_twice;
  if (runs_beside_older(end)) w.wrong |= runs_twice;
  if (!settled(end.source)) w.wrong |= not_settled;
  const bool it_stopped_there = end.destination_ran && end.at_destination != Copy::running;
  const bool it_stopped_here = end.source_ran && end.at_source == Copy::none;
  const int running = (end.at_source == Copy::running) + (end.at_destination == Copy::running) +
                      (end.older != Older::none);
  if (running != 1 && !it_stopped_there && !it_stopped_here && !end.lost_by_hand)
    w.wrong |= settled_wrong;
  if (end.at_source == Copy::suspended) w.wrong |= settled_wrong;
  if (end.at_destination == Copy::suspended && !end.paused_by_hand) w.wrong |= settled_wrong;
}

template <typename Do>
void Explorer::disturbed(const World& w, How how, size_t from, Do run_it) {
  World undisturbed = w;
  bool did = false;
  run_it(undisturbed, Disturbance{}, did);
  visit(undisturbed, how, from);
  const auto with = [&](Twist twist, unsigned at, Meddler who, bool trouble) {
    World after = w;
    if (trouble) --after.troubles;
    how.disturbance = {twist, at, who};
    const unsigned count = run_it(after, how.disturbance, did);
    if (did) visit(after, how, from);
    return count;
  };
  for (unsigned at = 0;; ++at) {
    with(Twist::crash, at, Meddler::none, false);
    if (!did) return;  // there is no such step
    if (w.troubles == 0) continue;
    if (troubles_.failures)
      for (const Twist twist : {Twist::fails, Twist::fails_late, Twist::full_disk})
        with(twist, at, Meddler::none, true);
    for (size_t who = 0; who < kMeddlers; ++who)
      with(Twist::meddled, at, static_cast<Meddler>(who), false);
  }
}

template <typename Event>
void Explorer::source_does(const World& w, How how, size_t from, Event event) {
  disturbed(w, how, from, [&](World& after, Disturbance d, bool& did) {
    return source_event(after, d, troubles_, remedies_, event, &did);
  });
}

template <typename Event>
void Explorer::destination_does(const World& w, How how, size_t from, Event event) {
  disturbed(w, how, from, [&](World& after, Disturbance d, bool& did) {
    return destination_event(after, d, troubles_, remedies_, event, &did);
  });
}

void Explorer::leave(size_t from) {
  const World w = visited_[from].world;
  if (w.source_up && w.destination_up && w.linked &&
      w.destination_says == DestinationState::receiving && w.source_says == SourceState::sending) {
    World arrived = w;
    arrived.at_destination = Copy::suspended;
    destination_does(arrived, {"complete"}, from, [](DestinationHandover& d) { d.complete(); });
    destination_does(arrived, {"failed"}, from, [](DestinationHandover& d) { d.failed(); });
  }
  deliver(w, from);
  if (w.source_up)
    source_does(w, {"cancelled or timed out"}, from, [](SourceHandover& s) { s.cancel(); });
  starts_and_links(w, from);
  meddling(w, from);
  third_host(w, from);
  given_up_there(w, from);
}

// Messages under way when a link is cut arrive late, or not at all. Each side notices when it does.
void Explorer::starts_and_links(const World& w, size_t from) {
  World next = w;
  if (w.source_up && w.destination_up && w.linked) {
    next.linked = false;
    visit(next, {"cut"}, from);
  }
  if (!w.linked && w.source_up)
    source_does(w, {"source: link lost"}, from, [](SourceHandover& s) { s.link_lost(); });
  if (!w.linked && w.destination_up)
    destination_does(w, {"destination: link lost"}, from,
                     [](DestinationHandover& d) { d.link_lost(); });
  const bool stops = remedies_.same_guest && w.older == Older::here && !settled(w.source);
  if (!w.source_up && !stops) {
    next = w;
    source_starts(next);
    source_does(next, {"source: restarted"}, from, [](SourceHandover& s) { s.restarted(); });
  }
  if (!w.destination_up) {
    next = w;
    destination_starts(next);
    destination_does(next, {"destination: restarted"}, from,
                     [](DestinationHandover& d) { d.restarted(); });
  }
  if (w.source_up && w.destination_up && !w.linked) {
    next = w;
    next.linked = true;
    source_does(next, {"reconnected"}, from, [](SourceHandover& s) { s.reconnected(); });
  }
}

void Explorer::deliver(const World& w, size_t from) {
  if (!w.to_destination.empty() && w.destination_up) {
    const HandoverMessage message = w.to_destination.front();
    World rest = w;
    rest.to_destination.pop();
    const auto event = [message](DestinationHandover& d) { d.on(message); };
    destination_does(rest, {"destination: on", message, {}}, from, event);
    destination_does(w, {"destination: on one of two", message, {}}, from, event);  // comes again
    visit(rest, {"lost:", message, {}}, from);
  }
  if (!w.to_source.empty() && w.source_up) {
    const HandoverMessage message = w.to_source.front();
    World rest = w;
    rest.to_source.pop();
    const auto event = [message](SourceHandover& s) { s.on(message); };
    source_does(rest, {"source: on", message, {}}, from, event);
    source_does(w, {"source: on one of two", message, {}}, from, event);
    visit(rest, {"lost:", message, {}}, from);
  }
}

void Explorer::meddling(const World& w, size_t from) {
  for (size_t who = 0; who < kMeddlers; ++who) {
    World next = w;
    How how = {"", {}, {Twist::none, 0, static_cast<Meddler>(who)}};
    if (meddle(next, how.disturbance.who, troubles_, remedies_, false)) visit(next, how, from);
    // Its host goes down with it.
    if (how.disturbance.who != Meddler::vanishes || !w.destination_up) continue;
    next.destination_up = next.linked = false;
    how.event = "and with its host, ";
    if (next.at_destination != w.at_destination) visit(next, how, from);
  }
}

// An operator of the destination gives up what came there. It may be the last copy: they were told.
void Explorer::given_up_there(const World& w, size_t from) {
  if (!troubles_.by_hand || w.troubles == 0 || w.destination_up || settled(w.destination)) return;
  World next = w;
  --next.troubles;
  destination_starts(next);
  next.linked = false;
  const auto forget = [](DestinationHandover& d) { d.on(HandoverMessage::forget); };
  disturbed(next, {"destination: given up by its operator"}, from,
            [&](World& after, Disturbance disturbance, bool& did) {
              const unsigned steps =
                  destination_event(after, disturbance, troubles_, remedies_, forget, &did);
              // Also if somebody destroyed the other one in that very moment.
              if (after.at_source == Copy::none && !after.destination_ran)
                after.lost_by_hand = true;
              return steps;
            });
}

// It has a certificate of the same authority, and knows the job's number.
void Explorer::third_host(const World& w, size_t from) {
  if (!troubles_.third_host || remedies_.binding || w.troubles == 0) return;
  World next = w;
  --next.troubles;
  for (uint8_t number = 1; const auto said = handover_of(number); ++number) {
    const HandoverMessage message = *said;
    if (!is_of_destination(message) && w.destination_up)
      destination_does(next, {"a third host says", message, {}}, from,
                       [message](DestinationHandover& d) { d.on(message); });
    if (is_of_destination(message) && w.source_up)
      source_does(next, {"a third host says", message, {}}, from,
                  [message](SourceHandover& s) { s.on(message); });
  }
}

std::string Explorer::path_to(size_t i) const {
  std::string path;
  for (;; i = visited_[i].parent) {
    path = "\n  " + visited_[i].how.text() + "\n      -> " + visited_[i].world.text() + path;
    if (i == 0) return path;
  }
}

}  // namespace ferry
