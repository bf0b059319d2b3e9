// Every way in which a handover can go: every order of events, with messages lost, repeated and
// late, links cut, and each side crashing before, between and after everything it does. All worlds
// that can be reached are visited.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "handover/destination_handover.h"
#include "handover/source_handover.h"

namespace ferry {
namespace {

enum class Copy : uint8_t { none, suspended, running };  // suspended: or paused, at the destination

// Everything that outlives a program: two journals, two copies, and what is under way.
struct World {
  SourceState source = SourceState::sending;
  DestinationState destination = DestinationState::receiving;
  Copy at_source = Copy::suspended, at_destination = Copy::none;
  bool source_up = true, destination_up = true, linked = true;
  bool name_taken = false;  // at the destination: a copy that does not run yet never can
  std::vector<Handover> to_destination, to_source;

  std::string key() const {
    std::string k = fmt::format("{}{}{}{}{}{}{}{}/", int(source), int(destination), int(at_source),
                                int(at_destination), source_up, destination_up, linked, name_taken);
    for (Handover m : to_destination) k += fmt::format("{}", int(m));
    k += "/";
    for (Handover m : to_source) k += fmt::format("{}", int(m));
    return k;
  }
};

struct Crash {};

// Lets `left` effects happen, then the program dies.
class Effects {
 public:
  explicit Effects(unsigned left) : left_(left) {}
  void happen() {
    if (left_-- == 0) throw Crash();
    ++happened_;
  }
  unsigned happened() const { return happened_; }

 private:
  unsigned left_, happened_ = 0;
};

constexpr size_t kMostUnderWay = 2;

struct SourceSide final : HandoverJournal<SourceState>, SourceGuest, HandoverOutbox {
  SourceSide(World& w, Effects& e) : world(w), effects(e) {}
  void write(SourceState state) override { effects.happen(), world.source = state; }
  bool present() override { return world.at_source != Copy::none; }
  void set_aside() override { effects.happen(); }
  void resume() override {
    effects.happen();
    if (world.at_source == Copy::suspended) world.at_source = Copy::running;
  }
  void destroy() override { effects.happen(), world.at_source = Copy::none; }
  void send(Handover message) override {
    effects.happen();
    if (world.linked && world.to_destination.size() < kMostUnderWay)
      world.to_destination.push_back(message);
  }
  World& world;
  Effects& effects;
};

struct DestinationSide final : HandoverJournal<DestinationState>, DestinationGuest, HandoverOutbox {
  DestinationSide(World& w, Effects& e) : world(w), effects(e) {}
  void write(DestinationState state) override { effects.happen(), world.destination = state; }
  bool present() override { return world.at_destination != Copy::none; }
  bool run() override {
    effects.happen();
    EXPECT_NE(world.at_destination, Copy::none);
    if (!world.name_taken) world.at_destination = Copy::running;
    return world.at_destination == Copy::running;
  }
  void discard() override {
    effects.happen();
    EXPECT_NE(world.at_destination, Copy::running) << "a copy that runs is discarded";
    world.at_destination = Copy::none;
  }
  void send(Handover message) override {
    effects.happen();
    if (world.linked && world.to_source.size() < kMostUnderWay) world.to_source.push_back(message);
  }
  World& world;
  Effects& effects;
};

using Successors = std::vector<std::pair<std::string, World>>;

// The event as it ends, and as it ends when the program dies before its 1st, 2nd, … effect.
template <typename Side, typename Machine, typename Event>
void with_crashes(const World& before, const std::string& name, bool World::*up, Event event,
                  Successors& out) {
  for (unsigned allowed = 0;; ++allowed) {
    World after = before;
    Effects effects(allowed);
    Side side(after, effects);
    try {
      if constexpr (std::is_same_v<Machine, SourceHandover>) {
        Machine machine(after.source, side, side, side);
        event(machine);
      } else {
        Machine machine(after.destination, side, side, side);
        event(machine);
      }
      out.emplace_back(name, after);
      return;
    } catch (const Crash&) {
      after.*up = false;
      after.linked = false;  // what it sent before may still arrive, even much later
      out.emplace_back(fmt::format("{}, crash after {} effects", name, allowed), after);
    }
  }
}

template <typename Event>
void source_does(const World& w, const std::string& name, Event event, Successors& out) {
  with_crashes<SourceSide, SourceHandover>(w, "source: " + name, &World::source_up, event, out);
}
template <typename Event>
void destination_does(const World& w, const std::string& name, Event event, Successors& out) {
  with_crashes<DestinationSide, DestinationHandover>(w, "destination: " + name,
                                                     &World::destination_up, event, out);
}

// Messages under way when a link is cut arrive late, or not at all (see deliver). Each side notices
// when it does.
void cut(const World& w, Successors& out) {
  World after = w;
  after.linked = false;
  out.emplace_back("cut", after);
}
void notice(const World& w, Successors& out) {
  if (w.source_up)
    source_does(
        w, "link lost", [](SourceHandover& s) { s.link_lost(); }, out);
  if (w.destination_up)
    destination_does(
        w, "link lost", [](DestinationHandover& d) { d.link_lost(); }, out);
}

void deliver(const World& w, Successors& out) {
  if (!w.to_destination.empty() && w.destination_up) {
    const Handover message = w.to_destination.front();
    World rest = w;
    rest.to_destination.erase(rest.to_destination.begin());
    const auto event = [message](DestinationHandover& d) { d.on(message); };
    destination_does(rest, fmt::format("on {}", name_of(message)), event, out);
    destination_does(w, fmt::format("on {} of two", name_of(message)), event, out);  // comes again
    out.emplace_back("lost", rest);
  }
  if (!w.to_source.empty() && w.source_up) {
    const Handover message = w.to_source.front();
    World rest = w;
    rest.to_source.erase(rest.to_source.begin());
    const auto event = [message](SourceHandover& s) { s.on(message); };
    source_does(rest, fmt::format("on {}", name_of(message)), event, out);
    source_does(w, fmt::format("on {} of two", name_of(message)), event, out);
    out.emplace_back("lost", rest);
  }
}

Successors successors(const World& w) {
  Successors out;
  if (w.source_up && w.destination_up && w.linked) {
    if (w.destination == DestinationState::receiving && w.source == SourceState::sending) {
      World arrived = w;
      arrived.at_destination = Copy::suspended;
      destination_does(
          arrived, "complete", [](DestinationHandover& d) { d.complete(); }, out);
      destination_does(
          arrived, "failed", [](DestinationHandover& d) { d.failed(); }, out);
    }
    cut(w, out);
  }
  if (!w.name_taken) {
    World taken = w;
    taken.name_taken = true;
    out.emplace_back("its name is taken", taken);
  }
  if (!w.linked) notice(w, out);
  deliver(w, out);
  if (w.source_up)
    source_does(
        w, "cancel", [](SourceHandover& s) { s.cancel(); }, out);
  if (!w.source_up) {
    World up = w;
    up.source_up = true;
    source_does(
        up, "restarted", [](SourceHandover& s) { s.restarted(); }, out);
  }
  if (!w.destination_up) {
    World up = w;
    up.destination_up = true;
    destination_does(
        up, "restarted", [](DestinationHandover& d) { d.restarted(); }, out);
  }
  if (w.source_up && w.destination_up && !w.linked) {
    World up = w;
    up.linked = true;
    source_does(
        up, "reconnected", [](SourceHandover& s) { s.reconnected(); }, out);
  }
  return out;
}

// Nothing fails any more: both start, meet, and say what they have to say.
World settle(World w) {
  const auto source = [&](auto event) {
    Effects all(1000);
    SourceSide side(w, all);
    SourceHandover machine(w.source, side, side, side);
    event(machine);
  };
  const auto destination = [&](auto event) {
    Effects all(1000);
    DestinationSide side(w, all);
    DestinationHandover machine(w.destination, side, side, side);
    event(machine);
  };
  w.linked = false;
  w.to_destination.clear(), w.to_source.clear();
  if (w.source_up) source([](SourceHandover& s) { s.link_lost(); });
  if (w.destination_up) destination([](DestinationHandover& d) { d.link_lost(); });
  if (!w.source_up) source([](SourceHandover& s) { s.restarted(); });
  if (!w.destination_up) destination([](DestinationHandover& d) { d.restarted(); });
  w.source_up = w.destination_up = w.linked = true;
  source([](SourceHandover& s) { s.reconnected(); });
  for (int i = 0; i < 20 && !(w.to_destination.empty() && w.to_source.empty()); ++i) {
    if (!w.to_destination.empty()) {
      const Handover message = w.to_destination.front();
      w.to_destination.erase(w.to_destination.begin());
      destination([&](DestinationHandover& d) { d.on(message); });
    }
    if (!w.to_source.empty()) {
      const Handover message = w.to_source.front();
      w.to_source.erase(w.to_source.begin());
      const bool final = w.source == SourceState::taken_back || w.source == SourceState::done;
      if (!final) source([&](SourceHandover& s) { s.on(message); });
    }
  }
  return w;
}

class Explorer {
 public:
  void run() {
    visit({}, "start", "");
    while (!queue_.empty()) {
      const World w = queue_.front();
      queue_.pop_front();
      for (const auto& [name, next] : successors(w)) visit(next, name, w.key());
      if (::testing::Test::HasFailure()) return;
    }
  }
  size_t worlds() const { return from_.size(); }
  size_t steps() const { return steps_; }

 private:
  void visit(const World& w, const std::string& how, const std::string& parent) {
    ++steps_;
    if (!from_.emplace(w.key(), std::pair(parent, how)).second) return;
    queue_.push_back(w);
    EXPECT_FALSE(w.at_source == Copy::running && w.at_destination == Copy::running)
        << "two copies run:" << path_to(w);
    EXPECT_FALSE(w.at_source == Copy::none && w.at_destination == Copy::none)
        << "the guest is lost:" << path_to(w);
    const World end = settle(w);
    EXPECT_EQ((end.at_source == Copy::running) + (end.at_destination == Copy::running), 1)
        << "it does not settle: " << end.key() << " from" << path_to(w);
    EXPECT_NE(end.at_source, Copy::suspended) << path_to(w);
    EXPECT_NE(end.at_destination, Copy::suspended) << path_to(w);
  }

  std::string path_to(const World& w) const {
    std::string path;
    for (std::string key = w.key(); !key.empty(); key = from_.at(key).first)
      path = "\n  " + from_.at(key).second + "  -> " + key + path;
    return path;
  }

  std::map<std::string, std::pair<std::string, std::string>> from_;
  std::deque<World> queue_;
  size_t steps_ = 0;
};

TEST(Handover, never_has_two_running_copies_nor_none_and_always_settles) {
  Explorer explorer;
  explorer.run();
  fmt::print("{} worlds, {} steps between them\n", explorer.worlds(), explorer.steps());
  EXPECT_GT(explorer.worlds(), 100u);
}

TEST(Handover, a_destination_host_that_went_down_while_the_guest_was_about_to_run_says_so) {
  World w;
  w.source = SourceState::given_away;
  w.destination = DestinationState::about_to_run;  // and its copy is gone with the host
  Effects all(100);
  DestinationSide side(w, all);
  DestinationHandover destination(w.destination, side, side, side);
  destination.restarted();
  EXPECT_EQ(w.destination, DestinationState::may_have_run);
  destination.on(Handover::status);
  ASSERT_EQ(w.to_source, std::vector{Handover::may_have_run});

  SourceSide source_side(w, all);
  SourceHandover source(w.source, source_side, source_side, source_side);
  source.on(Handover::may_have_run);
  EXPECT_TRUE(source.needs_operator());
  EXPECT_EQ(w.at_source, Copy::suspended) << "it is never resumed without an operator";
  source.force_take_back();
  EXPECT_EQ(w.at_source, Copy::running);
}

TEST(Handover, a_guest_that_is_wanted_back_before_it_ran_elsewhere_comes_back) {
  World w;
  w.source = SourceState::given_away;
  w.destination = DestinationState::held;
  w.at_destination = Copy::suspended;
  Effects all(100);
  SourceSide source_side(w, all);
  DestinationSide destination_side(w, all);
  SourceHandover source(w.source, source_side, source_side, source_side);
  DestinationHandover destination(w.destination, destination_side, destination_side,
                                  destination_side);
  source.cancel();
  destination.on(w.to_destination.at(0));
  EXPECT_EQ(w.at_destination, Copy::none);
  source.on(w.to_source.at(0));
  EXPECT_EQ(w.at_source, Copy::running);
  destination.on(Handover::go);  // one that comes late
  EXPECT_EQ(w.at_destination, Copy::none);
}

TEST(Handover, regression_a_journal_that_cannot_be_written_leaves_no_guest_suspended) {
  struct FullDisk final : HandoverJournal<SourceState> {
    void write(SourceState) override { throw std::runtime_error("full"); }
  } full;
  World w;
  Effects all(100);
  SourceSide side(w, all);
  SourceHandover source(w.source, full, side, side);
  EXPECT_THROW(source.cancel(), std::runtime_error);
  EXPECT_EQ(w.at_source, Copy::running);
}

TEST(Handover, a_held_copy_that_went_down_with_its_host_never_ran) {
  World w;
  w.source = SourceState::given_away;
  w.destination = DestinationState::held;
  Effects all(100);
  DestinationSide side(w, all);
  DestinationHandover destination(w.destination, side, side, side);
  destination.restarted();
  EXPECT_EQ(w.destination, DestinationState::never_ran);
}

}  // namespace
}  // namespace ferry
