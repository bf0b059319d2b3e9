// A guest that a killed save has left suspended is migrated: it stands still before anybody asks it
// to, and whoever finds it later has to know that it may be elsewhere.
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class KilledSave : public HeldMigration {
 protected:
  void SetUp() override {
    HeldMigration::SetUp();
    suspend_by_killed_save();
  }
  void expect_still_suspended(const std::string& said) {
    EXPECT_EQ(state("a"), "suspended") << said;
    EXPECT_EQ(said.find("runs on here"), std::string::npos) << said;
    const size_t how = said.find("suspended here, as it was before");
    ASSERT_NE(how, std::string::npos) << said;
    const TwoHosts::Result resumed = do_as_told(said.substr(how));  // the other host has said more
    EXPECT_EQ(resumed.status, 0) << resumed.said;
    EXPECT_EQ(state("a"), "running");
    hosts_.expect_one_runs("resumed, as told");
  }
  // It runs there, and its source was killed before it heard so.
  std::string given_away() {
    hold(kRunning);
    Running migration = migrate();
    EXPECT_TRUE(is_held()) << migration.said();
    const std::string id = job();
    migration.send(SIGKILL);
    migration.wait();
    return id;
  }
  static constexpr char kAway[] = "web1--migratedaway";
};

// Its note named no job, so "ferry resume" let a second copy run.
TEST_F(KilledSave, regression_and_was_given_away_it_is_the_jobs_also_without_its_journal) {
  const std::string id = given_away();
  ASSERT_TRUE(within(60, [&] { return state("b") == "running"; }));
  std::filesystem::remove(hosts_.path("a.host.jobs") + "/" + id + ".source");
  const auto checked = hosts_.run("a", {"check", kAway});
  EXPECT_EQ(checked.status, 1) << checked.said;
  expect_says(hosts_.run("a", {"resume", kAway}), 4, "was suspended by migration job " + id);
  EXPECT_EQ(state("a", kAway), "suspended") << "it runs twice";
}

TEST_F(KilledSave, regression_and_was_given_away_its_job_is_settled_as_ever) {
  const std::string id = given_away();
  open_gate();
  hold(kRunning);
  expect_says(hosts_.run("a", {"job", "resume", id}), 0, "web1 runs there");
  hosts_.expect_one_runs("there");
}

TEST_F(KilledSave, regression_a_host_that_goes_silent_is_not_waited_for) {
  hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "2";
  Running migration = migrate();
  ASSERT_TRUE(is_held()) << migration.said();
  EXPECT_EQ(migration.wait(40), 1) << migration.said();
  EXPECT_NE(migration.said().find("no progress for 2 s"), std::string::npos) << migration.said();
  expect_still_suspended(migration.said());
}

TEST_F(KilledSave, regression_nor_is_one_that_never_says_that_it_runs) {
  hold(kRunning);
  hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "2";
  Running migration = migrate();
  ASSERT_TRUE(is_held()) << migration.said();
  EXPECT_EQ(migration.wait(40), 4) << migration.said();
  EXPECT_NE(migration.said().find("no progress for 2 s"), std::string::npos) << migration.said();
}

TEST_F(KilledSave, regression_a_migration_that_is_told_to_stop_says_how_it_is) {
  Running migration = migrate();
  ASSERT_TRUE(is_held()) << migration.said();
  migration.send(SIGTERM);
  EXPECT_EQ(migration.wait(20), 1) << migration.said();
  expect_still_suspended(migration.said());
}

TEST_F(KilledSave, regression_so_does_one_that_does_not_reach_the_other_host) {
  command_is("exit 1");
  Running migration = migrate();
  EXPECT_EQ(migration.wait(), 1) << migration.said();
  expect_still_suspended(migration.said());
}

}  // namespace
}  // namespace ferry::test
