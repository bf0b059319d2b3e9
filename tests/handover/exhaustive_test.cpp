// Every way in which a handover can go: every order of events, with messages lost, repeated and
// late, links cut, each side crashing before, between and after everything it does, and everybody
// else who can meddle with the two copies. All worlds that can be reached are visited. Then each
// remedy is taken out, and has to be missed.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/handover/explorer.h"

namespace ferry {
namespace {

// In one history; more where the environment asks for it.
unsigned most_troubles() {
  const char* set = std::getenv("FERRY_HANDOVER_TROUBLES");
  return set ? static_cast<unsigned>(std::atoi(set)) : 1;
}

Troubles all_troubles() {
  return {.most = most_troubles(),
          .failures = true,
          .by_hand = true,
          .after_go = true,
          .other_ferry = true,
          .doubles = true,
          .vanishing = true,
          .third_host = true,
          .backups = true,
          .reboots = true,
          .restores = true};
}

void expect_right(const char* what, const Troubles& troubles) {
  Explorer explorer(troubles, {});
  EXPECT_EQ(explorer.find(anything), "");
  fmt::print("{}: {} worlds, {} steps between them\n", what, explorer.worlds(), explorer.steps());
  EXPECT_GT(explorer.worlds(), 1000u);
}

// With all remedies the same troubles do no harm: that is what the tests below find first.
void expect_missed(const Troubles& troubles, const Remedies& remedies, Wrong wrong) {
  const std::string found = Explorer(troubles, remedies).find(wrong);
  EXPECT_EQ(found.substr(0, found.find('\n')), name_of(wrong));
}

TEST(Handover, never_runs_on_both_hosts_nor_is_lost_and_always_settles) {
  expect_right("crashes and messages", {.most = 0});
}

TEST(Handover, stays_right_when_journals_and_xen_fail) {
  expect_right("failures", {.most = most_troubles(), .failures = true});
}

TEST(Handover, stays_right_whoever_else_resumes_pauses_renames_or_destroys_a_copy) {
  expect_right("by hand", {.most = most_troubles(), .by_hand = true, .after_go = true});
}

TEST(Handover, stays_right_when_copies_vanish_or_others_look_like_them) {
  expect_right("vanishing and doubles",
               {.most = most_troubles(), .doubles = true, .vanishing = true});
}

TEST(Handover, stays_right_when_old_journals_come_back_from_a_backup) {
  expect_right("backups", {.most = 2, .vanishing = true, .backups = true});
}

TEST(Handover, stays_right_when_hosts_reboot_and_older_images_are_restored) {
  expect_right("reboots and older images",
               {.most = 2, .vanishing = true, .reboots = true, .restores = true});
}

TEST(Handover, stays_right_with_all_of_that) {
  expect_right("all", all_troubles());
}

TEST(HandoverRemedy, without_the_lock_another_save_resumes_or_destroys_the_guest) {
  expect_missed({.other_ferry = true}, {.lock = false}, runs_twice);
  expect_missed({.other_ferry = true}, {.lock = false}, is_lost);
}

TEST(HandoverRemedy, without_asking_for_open_jobs_ferry_resume_runs_a_second_copy) {
  expect_missed({.other_ferry = true}, {.open_job = false}, runs_twice);
}

TEST(HandoverRemedy, without_a_look_before_go_a_guest_that_was_resumed_runs_twice) {
  expect_missed({.by_hand = true}, {.look = false}, runs_twice);
}

TEST(HandoverRemedy, without_a_look_before_destroy_a_running_guest_is_destroyed) {
  expect_missed({.by_hand = true, .after_go = true}, {.look = false}, running_guest_destroyed);
}

TEST(HandoverRemedy, without_seeing_that_the_guest_is_gone_its_last_copy_is_dropped) {
  expect_missed({.by_hand = true}, {.look_for_gone = false}, last_copy_dropped);
}

TEST(HandoverRemedy, without_seeing_that_a_copy_runs_it_is_thrown_away) {
  expect_missed({.by_hand = true}, {.look_unpaused = false}, run_copy_discarded);
}

TEST(HandoverRemedy, without_seeing_that_a_paused_copy_has_run_it_is_thrown_away) {
  expect_missed({.most = 2, .by_hand = true}, {.look_ran = false}, run_copy_discarded);
}

// Two at once: no journal here to let it run by, and the other copy is gone.
TEST(HandoverRemedy, a_whole_copy_dropped_before_the_source_says_that_it_has_one_is_the_last) {
  expect_missed({.most = 2, .failures = true, .by_hand = true}, {.keeps_whole = false}, is_lost);
}

TEST(HandoverRemedy, a_copy_whose_name_is_taken_is_the_last_one_too) {
  expect_missed({.most = 2, .by_hand = true, .doubles = true}, {.keeps_whole = false}, is_lost);
}

TEST(HandoverRemedy, a_journal_whose_failures_nobody_sees_lets_two_copies_run) {
  expect_missed({.failures = true}, {.journal_checked = false}, runs_twice);
}

TEST(HandoverRemedy, a_copy_that_vanished_and_is_said_to_run_is_lost) {
  expect_missed({.vanishing = true}, {.run_checked = false}, is_lost);
}

TEST(HandoverRemedy, a_copy_that_ran_and_is_gone_never_ran_by_an_old_journal) {
  expect_missed({.most = 2, .vanishing = true, .backups = true}, {.run_noted = false}, runs_twice);
}

TEST(HandoverRemedy, a_restore_that_asks_for_no_open_job_runs_a_second_copy) {
  expect_missed({.most = 2, .reboots = true, .restores = true}, {.restore_asks = false},
                runs_twice);
}

TEST(HandoverRemedy, a_second_copy_that_no_open_job_claims_is_moved_on_and_seen_no_more) {
  expect_missed({.most = 2, .vanishing = true, .reboots = true, .restores = true},
                {.claims = false}, runs_twice);
}

TEST(HandoverRemedy, a_second_copy_that_nobody_looks_for_comes_to_run_beside_the_first) {
  expect_missed({.most = 2, .vanishing = true, .reboots = true, .restores = true},
                {.same_guest = false}, runs_twice);
}

TEST(HandoverRemedy, a_domain_known_by_its_name_or_uuid_is_taken_for_another_one) {
  expect_missed({.doubles = true}, {.identity = Identity::name}, other_domain_touched);
  expect_missed({.doubles = true}, {.identity = Identity::uuid}, other_domain_touched);
}

TEST(HandoverRemedy, a_domain_known_by_its_name_does_not_come_back_once_it_is_renamed) {
  expect_missed({.by_hand = true}, {.identity = Identity::name}, waits_for_ever);
}

TEST(HandoverRemedy, a_job_that_anybody_may_settle_runs_a_second_copy) {
  expect_missed({.third_host = true}, {.binding = false}, runs_twice);
  expect_missed({.third_host = true}, {.binding = false}, is_lost);
}

TEST(HandoverRemedy, a_source_that_waits_without_limit_keeps_the_guest_suspended) {
  expect_missed({.most = 0}, {.time_out = false}, waits_for_ever);
}

}  // namespace
}  // namespace ferry
