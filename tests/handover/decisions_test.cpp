// Single decisions of either side, one event after the other.
#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/handover/sides.h"

namespace ferry {
namespace {

// Both ends in one world where nobody else acts.
struct Ends {
  World w;
  Troubles troubles;
  Remedies remedies;
  Steps steps{w, {}, troubles, remedies};
  SourceSide source_side{steps};
  DestinationSide destination_side{steps};

  SourceHandover source() { return {w.source, source_side, source_side, source_side}; }
  DestinationHandover destination() {
    return {w.destination, destination_side, destination_side, destination_side};
  }
  void given_away_and_held() {
    w.source = SourceState::given_away;
    w.destination = DestinationState::held;
    w.at_destination = Copy::suspended;
  }
};

struct FullDisk final : HandoverJournal<SourceState>, HandoverJournal<DestinationState> {
  void write(SourceState) override { throw std::runtime_error("full"); }
  void write(DestinationState) override { throw std::runtime_error("full"); }
};

TEST(Handover, a_destination_host_that_went_down_while_the_guest_was_about_to_run_says_so) {
  Ends ends;
  ends.w.source = SourceState::given_away;
  ends.w.destination = DestinationState::about_to_run;  // and its copy is gone with the host
  DestinationHandover destination = ends.destination();
  destination.restarted();
  EXPECT_EQ(ends.w.destination, DestinationState::may_have_run);
  destination.on(HandoverMessage::status);
  ASSERT_EQ(ends.w.to_source.front(), HandoverMessage::may_have_run);

  SourceHandover source = ends.source();
  source.on(HandoverMessage::may_have_run);
  EXPECT_TRUE(source.needs_operator());
  EXPECT_EQ(ends.w.at_source, Copy::suspended) << "it is never resumed without an operator";
  source.force_take_back();
  EXPECT_EQ(ends.w.at_source, Copy::running);
}

// "Is it here?", and then "has it run?", of which the second was answered with no.
TEST(Handover, regression_a_copy_that_vanishes_while_it_is_given_up_is_not_said_to_have_never_run) {
  for (unsigned step = 0; step < 3; ++step) {
    SCOPED_TRACE(step);
    Ends ends;
    ends.given_away_and_held();
    ends.w.troubles = 1;
    ends.w.destination = ends.w.destination_says = DestinationState::about_to_run;
    ends.w.at_destination = Copy::running;
    ends.w.destination_ran = true;
    const Troubles vanishing{.most = 1, .vanishing = true};
    Steps steps{ends.w, {Twist::meddled, step, Meddler::vanishes}, vanishing, ends.remedies};
    DestinationSide side{steps};
    DestinationHandover{ends.w.destination, side, side, side}.on(HandoverMessage::forget);
    EXPECT_TRUE(steps.disturbed);
    EXPECT_NE(ends.w.destination, DestinationState::never_ran);
  }
}

TEST(Handover, an_operator_who_saw_the_guest_write_there_gives_it_away_for_good) {
  Ends ends;
  ends.w.source = SourceState::given_away;
  SourceHandover source = ends.source();
  source.force_give_away();
  source.on(HandoverMessage::may_have_run);
  EXPECT_EQ(ends.w.source, SourceState::done);
  EXPECT_EQ(ends.w.at_source, Copy::none);
}

TEST(Handover, an_operator_who_destroyed_the_source_of_a_guest_that_may_have_run_settles_it) {
  Ends ends;
  ends.w.source = SourceState::given_away;
  ends.w.at_source = Copy::none;
  SourceHandover source = ends.source();
  source.on(HandoverMessage::may_have_run);
  EXPECT_FALSE(source.needs_operator());
  EXPECT_EQ(ends.w.source, SourceState::done);
}

TEST(Handover, a_guest_that_is_wanted_back_before_it_ran_elsewhere_comes_back) {
  Ends ends;
  ends.given_away_and_held();
  SourceHandover source = ends.source();
  DestinationHandover destination = ends.destination();
  source.cancel();
  destination.on(ends.w.to_destination.front());
  EXPECT_EQ(ends.w.at_destination, Copy::none);
  source.on(ends.w.to_source.front());
  EXPECT_EQ(ends.w.at_source, Copy::running);
  destination.on(HandoverMessage::go);  // one that comes late
  EXPECT_EQ(ends.w.at_destination, Copy::none);
}

TEST(Handover, regression_a_journal_that_cannot_be_written_leaves_no_guest_suspended) {
  FullDisk full;
  Ends ends;
  SourceHandover source(SourceState::sending, full, ends.source_side, ends.source_side);
  EXPECT_THROW(source.cancel(), std::runtime_error);
  EXPECT_EQ(ends.w.at_source, Copy::running);
}

TEST(Handover, regression_a_failure_while_giving_away_takes_the_guest_back_and_says_so) {
  FullDisk full;
  Ends ends;
  SourceHandover source(SourceState::sending, full, ends.source_side, ends.source_side);
  EXPECT_THROW(source.on(HandoverMessage::received), std::runtime_error);
  EXPECT_EQ(ends.w.at_source, Copy::running);
  ASSERT_EQ(ends.w.to_destination.size(), 1u);
  EXPECT_EQ(ends.w.to_destination.front(), HandoverMessage::kept);
}

TEST(Handover, regression_no_go_is_sent_for_a_guest_that_was_resumed_here) {
  Ends ends;
  ends.w.at_source = Copy::running;
  SourceHandover source = ends.source();
  source.on(HandoverMessage::received);
  EXPECT_EQ(ends.w.source, SourceState::taken_back);
  ASSERT_EQ(ends.w.to_destination.size(), 1u);
  EXPECT_EQ(ends.w.to_destination.front(), HandoverMessage::kept);
}

TEST(Handover, regression_a_guest_resumed_after_it_was_given_away_is_asked_for_and_not_sent_again) {
  Ends ends;
  ends.given_away_and_held();
  ends.w.at_source = Copy::running;
  SourceHandover source = ends.source();
  source.on(HandoverMessage::received);
  ASSERT_EQ(ends.w.to_destination.front(), HandoverMessage::forget);
  EXPECT_EQ(source.state(), SourceState::given_away) << "an earlier go may be under way";
}

TEST(Handover, regression_a_guest_that_runs_here_is_not_destroyed) {
  Ends ends;
  ends.w.source = SourceState::given_away;
  ends.w.at_source = Copy::running;
  SourceHandover source = ends.source();
  source.on(HandoverMessage::running);
  EXPECT_TRUE(source.needs_operator());
  EXPECT_EQ(ends.w.at_source, Copy::running);
}

TEST(Handover, a_guest_whose_source_was_destroyed_waits_for_an_operator_and_runs_there) {
  Ends ends;
  ends.w.destination = DestinationState::held;
  ends.w.at_destination = Copy::suspended;
  ends.w.at_source = Copy::none;
  SourceHandover source = ends.source();
  DestinationHandover destination = ends.destination();
  source.on(HandoverMessage::received);
  EXPECT_TRUE(source.needs_operator());
  source.link_lost();
  source.cancel();
  EXPECT_TRUE(ends.w.to_destination.empty()) << "nobody is told to drop the last copy";

  source.force_give_away();
  source.on(HandoverMessage::received);
  ASSERT_EQ(ends.w.to_destination.front(), HandoverMessage::go);
  destination.on(HandoverMessage::go);
  EXPECT_EQ(ends.w.at_destination, Copy::running);
  source.on(HandoverMessage::running);
  EXPECT_EQ(ends.w.source, SourceState::done);
}

TEST(Handover, a_held_copy_that_went_down_with_its_host_never_ran) {
  Ends ends;
  ends.w.source = SourceState::given_away;
  ends.w.destination = DestinationState::held;
  DestinationHandover destination = ends.destination();
  destination.restarted();
  EXPECT_EQ(ends.w.destination, DestinationState::never_ran);
}

TEST(Handover, regression_a_copy_that_vanished_before_go_never_ran) {
  Ends ends;
  ends.w.destination = DestinationState::held;
  DestinationHandover destination = ends.destination();
  destination.on(HandoverMessage::go);
  EXPECT_EQ(ends.w.to_source.front(), HandoverMessage::never_ran);
}

TEST(Handover, a_copy_whose_journal_cannot_say_that_it_is_whole_is_given_up_and_that_is_said) {
  FullDisk full;
  Ends ends;
  ends.w.at_destination = Copy::suspended;
  DestinationHandover arriving(DestinationState::receiving, full, ends.destination_side,
                               ends.destination_side);
  EXPECT_THROW(arriving.complete(), std::runtime_error);
  EXPECT_EQ(ends.w.at_destination, Copy::none);
  EXPECT_EQ(ends.w.to_source.front(), HandoverMessage::never_ran);
}

TEST(Handover, a_whole_copy_that_cannot_be_let_run_goes_once_the_source_says_it_has_one) {
  FullDisk full;
  Ends ends;
  ends.given_away_and_held();
  DestinationHandover destination(DestinationState::held, full, ends.destination_side,
                                  ends.destination_side);
  SourceHandover source = ends.source();
  destination.on(HandoverMessage::go);
  EXPECT_EQ(ends.w.at_destination, Copy::suspended);
  ASSERT_EQ(ends.w.to_source.front(), HandoverMessage::cannot_run);
  ends.w.to_source.clear();

  source.on(HandoverMessage::cannot_run);
  EXPECT_EQ(source.state(), SourceState::given_away) << "that promises nothing";
  ASSERT_EQ(ends.w.to_destination.front(), HandoverMessage::forget);
  destination.on(HandoverMessage::forget);
  EXPECT_EQ(ends.w.at_destination, Copy::none);
  source.on(ends.w.to_source.front());
  EXPECT_EQ(ends.w.at_source, Copy::running);
}

TEST(Handover, regression_the_last_copy_is_kept_when_the_journal_cannot_be_written) {
  FullDisk full;
  Ends ends;
  ends.given_away_and_held();
  ends.w.at_source = Copy::none;  // destroyed by hand after the go
  SourceHandover source = ends.source();
  DestinationHandover without_journal(DestinationState::held, full, ends.destination_side,
                                      ends.destination_side);
  without_journal.on(HandoverMessage::go);
  EXPECT_EQ(ends.w.at_destination, Copy::suspended);
  source.on(ends.w.to_source.front());
  EXPECT_TRUE(source.needs_operator());
  EXPECT_TRUE(ends.w.to_destination.empty()) << "nobody is told to drop the last copy";

  SourceHandover forced = ends.source();
  DestinationHandover destination = ends.destination();
  forced.force_give_away();
  forced.on(HandoverMessage::received);
  destination.on(ends.w.to_destination.front());
  EXPECT_EQ(ends.w.at_destination, Copy::running);
}

TEST(Handover, regression_the_last_copy_is_kept_when_its_name_is_taken) {
  Ends ends;
  ends.given_away_and_held();
  ends.w.at_source = Copy::none;
  ends.w.destination_double = Double::same_name;
  DestinationHandover destination = ends.destination();
  destination.on(HandoverMessage::go);
  EXPECT_EQ(ends.w.at_destination, Copy::suspended);
  EXPECT_EQ(ends.w.to_source.front(), HandoverMessage::cannot_run);

  ends.w.destination_double = Double::none;
  destination.on(HandoverMessage::status);
  EXPECT_EQ(ends.w.at_destination, Copy::running);
}

TEST(Handover, a_copy_that_somebody_unpaused_is_kept_and_named) {
  Ends ends;
  ends.given_away_and_held();
  ends.w.at_destination = Copy::running;
  DestinationHandover destination = ends.destination();
  destination.on(HandoverMessage::forget);
  EXPECT_EQ(ends.w.at_destination, Copy::running);
  EXPECT_EQ(ends.w.to_source.front(), HandoverMessage::running);
}

}  // namespace
}  // namespace ferry
