// The only copy waits where it came to, and its source is gone, has lost the job, or finds the
// journal there damaged: its operators have a command that works.
#include "migrate/job_journal.h"
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class SourceGone : public HeldThroughBoth {
 protected:
  std::string held() { return held_without_go(receiver()); }
};

TEST_P(SourceGone, regression_its_copy_can_be_let_run_by_an_operator) {
  const std::string id = held();
  ASSERT_EQ(hosts_.run("a", {"destroy", "web1--migratedaway"}).status, 0);
  for (const char* command : {"abort", "resume"})
    expect_says(hosts_.run("b", {"job", command, id}), 2, "ferry job resume --force " + id);
  EXPECT_EQ(state("b", "web1--incoming"), "paused");
  expect_says(hosts_.run("b", {"job", "resume", "--force", id}), 0, "web1 runs here");
  hosts_.expect_one_runs("let run there");
  EXPECT_TRUE(hosts_.open_jobs("b").empty());
  expect_says(hosts_.run("b", {"job", "resume", "--force", id}), 2, "is settled");
  expect_says(hosts_.run("a", {"job", "resume", id}), 0, "web1 runs there");
}

TEST_P(SourceGone, a_copy_whose_name_is_taken_stays_and_why_is_said) {
  const std::string id = held();
  ASSERT_EQ(hosts_.run("b", {"create", "web1", "--memory", "2"}).status, 0);
  expect_says(hosts_.run("b", {"job", "resume", "--force", id}), 4, "cannot get its name");
  EXPECT_EQ(state("b", "web1--incoming"), "paused");
  ASSERT_EQ(hosts_.run("b", {"destroy", "web1"}).status, 0);
  expect_says(hosts_.run("b", {"job", "resume", "--force", id}), 0, "web1 runs here");
}

TEST_P(SourceGone, nothing_is_let_run_where_nothing_is) {
  const std::string id = held();
  ASSERT_EQ(hosts_.run("b", {"destroy", "web1--incoming"}).status, 0);
  expect_says(hosts_.run("b", {"job", "resume", "--force", id}), 2, "web1 is not here any more");
  expect_says(hosts_.run("b", {"job", "abort", "--force", id}), 0, "web1 never ran here");
  expect_says(hosts_.run("a", {"job", "resume", id}), 0, "web1 runs here");
}

// As if its host had gone down right after it was let run.
TEST_P(SourceGone, regression_a_job_whose_guest_may_have_run_can_be_settled_there) {
  const std::string id = held();
  setenv("FERRY_STATE_DIR", (hosts_.path("b.host") + ".jobs").c_str(), 1);
  EXPECT_TRUE(within(60, [&] { return !is_worked_on(id, false); }));
  JobJournal(find_job(id, false).value()).write(DestinationState::about_to_run);
  unsetenv("FERRY_STATE_DIR");
  ASSERT_EQ(hosts_.run("b", {"destroy", "web1--incoming"}).status, 0);
  expect_says(hosts_.run("a", {"job", "resume", id}), 4, "ferry job abort --force " + id);
  expect_says(hosts_.run("b", {"job", "abort", id}), 4, "ferry job abort --force " + id);
  expect_says(hosts_.run("b", {"job", "abort", "--force", id}), 0, "is settled here");
  EXPECT_TRUE(hosts_.open_jobs("b").empty());
  expect_says(hosts_.run("a", {"job", "resume", id}), 4, "is not there any more");
  EXPECT_EQ(state("a", "web1--migratedaway"), "suspended");
}

TEST_P(SourceGone, regression_a_damaged_journal_there_is_as_good_as_lost) {
  const std::string id = held();
  std::ofstream(hosts_.path("b.host.jobs") + "/" + id + ".destination") << "{}";
  for (const char* command : {"resume", "abort"}) {
    const auto asked = hosts_.run("a", {"job", command, id});
    expect_says(asked, 4, "only if it surely never ran there, try: ferry job abort --force " + id);
    EXPECT_NE(asked.said.find("is no journal of a job"), std::string::npos) << asked.said;
  }
  expect_says(hosts_.run("a", {"job", "abort", "--force", id}), 0, "web1 runs here");
}

// "ferry resume --force", which does nothing for a copy that is paused, was all that was named.
TEST_P(SourceGone, regression_a_damaged_journal_there_names_what_settles_its_copy) {
  for (const bool source_is_there : {true, false}) {
    hosts_.fresh();
    const std::string id = held();
    EXPECT_TRUE(within(60, [&] { return state("b", "web1--incoming") == "paused"; }));
    std::ofstream(hosts_.path("b.host.jobs") + "/" + id + ".destination") << "{}";
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"job", "abort", id}, {"job", "abort", "--force", id}, {"job", "resume", id}}) {
      const auto asked = hosts_.run("b", command);
      expect_says(asked, 4, "is no journal of a job");
      expect_says(asked, 4, "on the source, try: ferry job resume " + id);
      EXPECT_EQ(asked.said.find("ferry resume"), std::string::npos) << asked.said;
      expect_says(asked, 4, source_is_there ? "xl destroy 2, here" : "xl unpause 2, here");
    }
    if (source_is_there) {
      const auto at_source = do_as_told(hosts_.run("b", {"job", "abort", id}).said);
      expect_says(at_source, 4,
                  "only if it surely never ran there, try: ferry job abort --force " + id);
      expect_says(do_as_told(at_source.said), 0, "web1 runs here");
      ASSERT_EQ(hosts_.run("b", {"destroy", "2"}).status, 0);
      hosts_.expect_one_runs("taken back");
    } else {
      ASSERT_EQ(hosts_.run("b", {"unpause", "2"}).status, 0);
      EXPECT_EQ(state("b", "web1--incoming"), "running");
    }
  }
}

// By the note of its suspension: another guest may have its name.
TEST_P(SourceGone, regression_a_damaged_journal_here_names_the_very_guest) {
  const std::string id = held();
  ASSERT_EQ(hosts_.run("a", {"create", "web1", "--memory", "2"}).status, 0);
  std::ofstream(hosts_.path("a.host.jobs") + "/" + id + ".source") << "{}";
  const auto asked = hosts_.run("a", {"job", "abort", id});
  expect_says(asked, 4, "try: ferry resume --force 1\n");
  ASSERT_EQ(hosts_.run("b", {"destroy", "web1--incoming"}).status, 0);
  expect_says(do_as_told(asked.said), 0, "runs again");
  EXPECT_EQ(state("a", "web1--migratedaway"), "running");
}

// Each host said that the other one had to settle it, for ever.
TEST_P(SourceGone, regression_a_damaged_journal_here_does_not_keep_the_guest_from_moving) {
  const std::string id = held();
  std::ofstream(hosts_.path("a.host.jobs") + "/" + id + ".source") << "{}";
  const auto asked = hosts_.run("a", {"job", "abort", "--force", id});
  const std::string there = "ferry job abort --force " + id;
  expect_says(asked, 4, there + ", there, once the guest runs here");
  expect_says(do_as_told(asked.said), 0, "runs again");
  const auto migrated = [&] {
    return hosts_.run("a", {"migrate", "--quiet", "1", "--via", "sh " + hosts_.path("via.sh")});
  };
  expect_says(migrated(), 1, "on the destination, " + there);
  expect_says(hosts_.run("b", {"job", "abort", id}), 2, "here, " + there);
  expect_says(hosts_.run("b", {"job", "abort", "--force", id}), 0, "web1 never ran here");
  expect_says(migrated(), 0, "");
  EXPECT_EQ(state("b", "web1--migratedaway"), "running");
  const auto left = hosts_.run("a", {"job", "resume", id});
  expect_says(left, 4, "try: " + there);
  expect_says(do_as_told(left.said), 0, "is forgotten here");
  const auto list = hosts_.run("a", {"job", "list"});
  EXPECT_EQ(list.said.find(id), std::string::npos) << list.said;
}

INSTANTIATE_TEST_SUITE_P(Through, SourceGone, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
