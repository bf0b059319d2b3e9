// The decisions of an evacuation, over hosts and moves that are made up: whatever hosts answer and
// moves end with, every guest is accounted for, and what was promised holds.
#include "evacuate/evacuation.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "error/error.h"
#include "evacuate/checking.h"

namespace ferry::evacuate {
namespace {

constexpr uint64_t kMib = 1 << 20;

// A fleet in which everything takes some steps of rest() and may fail.
class Fleet final : public Surroundings {
 public:
  struct Box {
    uint64_t free = 0;
    bool tells = true;    // how much memory is free
    bool answers = true;  // at all
    std::set<uint16_t> refuses = {};
    std::vector<uint16_t> has = {};
  };
  struct Plan {
    Fate ends = Fate::moved;
    unsigned steps = 1;
  };

  class Trip final : public Move {
   public:
    Trip(Fleet& fleet, uint16_t guest, uint64_t bytes, size_t to, Plan plan)
        : fleet_(fleet), guest_(guest), bytes_(bytes), to_(to), plan_(plan) {
      ++fleet_.under_way;
      fleet_.most_under_way = std::max(fleet_.most_under_way, fleet_.under_way);
      EXPECT_TRUE(fleet_.moving.insert(guest).second) << "twice at once";
      // Its memory goes as it arrives; here all of it half way.
    }
    ~Trip() override { EXPECT_TRUE(over_) << "dropped on its way"; }
    std::optional<MoveEnd> ended() override {
      if (cancelled_ && plan_.ends == Fate::moved) plan_ = {Fate::stays, 0};
      Box& box = fleet_.boxes[to_];
      if (plan_.steps > 0) {
        if (--plan_.steps == 0 && plan_.ends == Fate::moved) fill(box);
        return std::nullopt;
      }
      if (plan_.ends == Fate::moved && !filled_) fill(box);
      over_ = true;
      --fleet_.under_way;
      fleet_.moving.erase(guest_);
      if (plan_.ends == Fate::moved) {
        box.has.push_back(guest_);
        fleet_.here.erase(guest_);
        return MoveEnd{Fate::moved, {}, 0.5};
      }
      if (plan_.ends == Fate::gone) fleet_.here.erase(guest_);
      return MoveEnd{plan_.ends, "the link broke", {}};
    }
    void cancel() override {
      EXPECT_FALSE(cancelled_) << "cancelled twice";
      cancelled_ = true;
    }

   private:
    void fill(Box& box) {
      filled_ = true;
      EXPECT_GE(box.free, bytes_) << "more than fits was sent";
      box.free -= std::min(box.free, bytes_);
    }
    Fleet& fleet_;
    uint16_t guest_;
    uint64_t bytes_;
    size_t to_;
    Plan plan_;
    bool over_ = false, cancelled_ = false, filled_ = false;
  };

  bool still_here(LocalGuest& guest) override { return here.contains(number(guest)); }
  Answer ask(const LocalGuest& guest, size_t i) override {
    const Box& box = boxes[i];
    ++questions;
    if (!box.answers) fail(Errc::io, "cannot reach host {}", i);
    Answer answer;
    if (box.refuses.contains(number(guest))) answer.blockers.push_back("it has no bridge");
    if (box.free < guest.bytes) answer.blockers.push_back("it has too little memory");
    if (box.tells) answer.free_bytes = box.free;
    return answer;
  }
  std::unique_ptr<Move> start(const LocalGuest& guest, size_t i) override {
    EXPECT_FALSE(stopped) << "started after the stop";
    EXPECT_TRUE(boxes[i].answers);
    EXPECT_FALSE(boxes[i].refuses.contains(number(guest)));
    EXPECT_TRUE(here.contains(number(guest)));
    EXPECT_TRUE(tries.insert({number(guest), i}).second) << "tried twice";
    return std::make_unique<Trip>(*this, number(guest), guest.bytes, i, plans[{number(guest), i}]);
  }
  bool told_to_stop() override { return stopped; }
  void rest() override {
    ++rests;
    if (rests == stop_after) stopped = true;
    if (rests > 100'000) throw std::logic_error("it never ends");
  }
  void tell(const std::string& sentence) override { told.push_back(sentence); }

  static uint16_t number(const LocalGuest& guest) { return static_cast<uint16_t>(guest.domid); }

  std::vector<Box> boxes;
  std::map<std::pair<uint16_t, size_t>, Plan> plans;
  std::set<uint16_t> here, moving;
  std::set<std::pair<uint16_t, size_t>> tries;
  std::vector<std::string> told;
  unsigned under_way = 0, most_under_way = 0, rests = 0, questions = 0;
  unsigned stop_after = 0;  // 0: never
  bool stopped = false;
};

LocalGuest guest(uint16_t number, uint64_t mib) {
  LocalGuest one;
  one.domid = domid_t{number};
  one.name = fmt::format("guest{}", number);
  one.bytes = mib * kMib;
  one.uuid[0] = static_cast<uint8_t>(number);
  return one;
}

struct Made {
  Fleet fleet;
  std::vector<LocalGuest> guests;
  std::vector<std::string> hosts;
  std::vector<Outcome> run(unsigned parallel) { return evacuate(guests, hosts, parallel, fleet); }
};

void make(Made& made, const std::vector<uint64_t>& guest_mib,
          const std::vector<uint64_t>& host_mib) {
  uint16_t number = 0;
  for (const uint64_t mib : guest_mib) {
    made.guests.push_back(guest(++number, mib));
    made.fleet.here.insert(number);
  }
  for (const uint64_t mib : host_mib) {
    made.hosts.push_back(fmt::format("host{}", made.hosts.size() + 2));
    Fleet::Box box;
    box.free = mib * kMib;
    made.fleet.boxes.push_back(box);
  }
}

TEST(Evacuation, moves_all_where_all_fit) {
  Made made;
  make(made, {128, 512, 256, 64, 32}, {600, 600});
  const auto outcomes = made.run(2);
  EXPECT_EQ(made.fleet.most_under_way, 2u);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i].fate, Fate::moved);
    EXPECT_EQ(outcomes[i].guest.name, made.guests[i].name)
        << "in the order that they were given in";
    EXPECT_EQ(outcomes[i].away_seconds, 0.5);
  }
  EXPECT_TRUE(made.fleet.here.empty());
}

TEST(Evacuation, goes_on_after_a_failure_with_the_next_guest_and_the_next_host) {
  Made made;
  make(made, {64, 64, 64}, {1000, 900});
  made.fleet.plans[{1, 0}] = {Fate::stays, 3};
  made.fleet.plans[{2, 0}] = {Fate::stays, 1};
  made.fleet.plans[{2, 1}] = {Fate::stays, 1};
  const auto outcomes = made.run(1);
  EXPECT_EQ(outcomes[0].fate, Fate::moved);
  EXPECT_EQ(outcomes[0].host, 1u);
  EXPECT_EQ(outcomes[1].fate, Fate::stays);
  EXPECT_EQ(outcomes[1].reasons, std::vector<std::string>(2, "the link broke"));
  EXPECT_EQ(outcomes[2].fate, Fate::moved);
}

TEST(Evacuation, waits_for_room_only_where_guests_are_on_their_way) {
  Made made;
  make(made, {100, 90}, {150});
  made.fleet.plans[{1, 0}] = {Fate::stays, 5};  // its room is free again
  const auto outcomes = made.run(2);
  EXPECT_EQ(made.fleet.most_under_way, 1u);
  EXPECT_EQ(outcomes[0].fate, Fate::stays);
  EXPECT_EQ(outcomes[1].fate, Fate::moved);
}

TEST(Evacuation, tells_which_host_lacks_what) {
  Made made;
  make(made, {100}, {50, 200, 200});
  made.fleet.boxes[1].refuses = {1};
  made.fleet.boxes[2].answers = false;
  const auto outcomes = made.run(2);
  EXPECT_EQ(outcomes[0].fate, Fate::stays);
  EXPECT_EQ(outcomes[0].reasons,
            (std::vector<std::string>{"host2: it has too little memory", "host3: it has no bridge",
                                      "cannot reach host 2"}));
}

TEST(Evacuation, asks_a_host_that_does_not_answer_once) {
  Made made;
  make(made, std::vector<uint64_t>(20, 8), {0, 1000});
  made.fleet.boxes[0].answers = false;
  made.run(4);
  EXPECT_EQ(made.fleet.questions, 21u);
  EXPECT_TRUE(made.fleet.here.empty());
}

TEST(Evacuation, that_only_checks_moves_nothing_and_finds_the_same) {
  Made made;
  make(made, {100, 100, 100, 40}, {120, 150});
  Checking checking(made.fleet, 2);
  const auto outcomes = evacuate(made.guests, made.hosts, 2, checking);
  EXPECT_TRUE(made.fleet.tries.empty());
  EXPECT_EQ(made.fleet.here.size(), 4u);
  unsigned go = 0;
  for (const Outcome& outcome : outcomes) go += outcome.fate == Fate::moved;
  EXPECT_EQ(go, 3u);
  EXPECT_EQ(outcomes[2].fate, Fate::stays);
}

// Any guests, hosts, failures and moments of a stop.
TEST(Evacuation, accounts_for_every_guest_in_every_fleet) {
  rc::check([] {
    Made made;
    const auto parallel = *rc::gen::inRange(1u, 5u);
    make(made, *rc::gen::container<std::vector<uint64_t>>(rc::gen::inRange<uint64_t>(1, 200)),
         *rc::gen::container<std::vector<uint64_t>>(rc::gen::inRange<uint64_t>(0, 600)));
    for (Fleet::Box& box : made.fleet.boxes) {
      box.tells = *rc::gen::weightedElement<bool>({{4, true}, {1, false}});
      box.answers = *rc::gen::weightedElement<bool>({{6, true}, {1, false}});
      // One that does not say how much it has cannot be kept from being sent too much.
      if (!box.tells) box.free = 1'000'000 * kMib;
    }
    for (const LocalGuest& one : made.guests)
      for (size_t i = 0; i < made.hosts.size(); ++i) {
        if (*rc::gen::inRange(0, 8) == 0) made.fleet.boxes[i].refuses.insert(Fleet::number(one));
        made.fleet.plans[{Fleet::number(one), i}] = {
            *rc::gen::weightedElement<Fate>(
                {{6, Fate::moved}, {3, Fate::stays}, {1, Fate::needs_operator}, {1, Fate::gone}}),
            *rc::gen::inRange(0u, 6u)};
      }
    if (*rc::gen::arbitrary<bool>()) made.fleet.stop_after = *rc::gen::inRange(1u, 12u);

    const auto outcomes = made.run(parallel);

    RC_ASSERT(!::testing::Test::HasFailure());
    RC_ASSERT(made.fleet.under_way == 0u);
    RC_ASSERT(made.fleet.most_under_way <= parallel);
    RC_ASSERT(outcomes.size() == made.guests.size());
    std::map<uint16_t, size_t> where;
    for (size_t i = 0; i < made.hosts.size(); ++i)
      for (const uint16_t one : made.fleet.boxes[i].has) RC_ASSERT(where.emplace(one, i).second);
    for (const Outcome& outcome : outcomes) {
      const uint16_t number = Fleet::number(outcome.guest);
      RC_ASSERT((outcome.fate == Fate::moved) == where.contains(number));
      if (outcome.fate == Fate::moved) RC_ASSERT(outcome.host == where[number]);
      if (outcome.fate != Fate::moved && outcome.fate != Fate::gone)
        RC_ASSERT(!outcome.reasons.empty() || made.hosts.empty());
      // Nobody who could still go was forgotten.
      if (outcome.fate != Fate::stays || made.fleet.stopped) continue;
      for (size_t i = 0; i < made.hosts.size(); ++i)
        RC_ASSERT(made.fleet.tries.contains({number, i}) || !made.fleet.boxes[i].answers ||
                  made.fleet.boxes[i].refuses.contains(number) ||
                  made.fleet.boxes[i].free < outcome.guest.bytes);
    }
  });
}

}  // namespace
}  // namespace ferry::evacuate
