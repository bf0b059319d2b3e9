// A domain with the uuid of a guest, under the name of an arriving one, that no job of ferry
// brought: a migration that is refused because of it, or a job that is given up, leaves it alone.
#include "migrate/job_journal.h"
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class LooksLikeACopy : public HeldThroughBoth {
 protected:
  void SetUp() override {
    HeldThroughBoth::SetUp();
    image_ = hosts_.path("old.ferry");
    std::filesystem::remove(image_);
    ASSERT_EQ(hosts_.run("a", {"save", "--keep", "web1", image_}).status, 0);
  }
  TwoHosts::Result migrated() {
    command_is(receiver());
    Running migration = migrate();
    return {migration.wait(), migration.said()};
  }
  std::string image_;
};

TEST_P(LooksLikeACopy, regression_is_not_destroyed_by_a_migration_that_is_refused) {
  ASSERT_EQ(hosts_.run("b", {"restore", "--force", "--paused", "--name", "web1--incoming", image_})
                .status,
            0);
  expect_says(migrated(), 1, "on the destination, try: xl destroy ");
  EXPECT_EQ(state("b", "web1--incoming"), "paused");
  EXPECT_EQ(state("a"), "running");
}

TEST_P(LooksLikeACopy, regression_is_not_said_to_be_the_refused_one_that_runs) {
  ASSERT_EQ(hosts_.run("b", {"restore", "--force", "--name", "web1--incoming", image_}).status, 0);
  const TwoHosts::Result refused = migrated();
  expect_says(refused, 1, "this very guest is here already");
  EXPECT_EQ(refused.said.find("web1 runs here"), std::string::npos) << refused.said;
  const std::string jobs = hosts_.run("b", {"job", "list", "--all"}).said;
  EXPECT_NE(jobs.find("never-ran"), std::string::npos) << jobs;
  EXPECT_EQ(state("b", "web1--incoming"), "running");
}

TEST_P(LooksLikeACopy, regression_is_left_by_a_job_that_did_not_note_it) {
  ASSERT_EQ(hosts_.run("b", {"restore", "--force", "--paused", "--name", "web1--incoming", image_})
                .status,
            0);
  EXPECT_EQ(migrated().status, 1);
  setenv("FERRY_STATE_DIR", (hosts_.path("b.host") + ".jobs").c_str(), 1);
  const auto jobs = list_jobs(true);
  ASSERT_EQ(jobs.size(), 1u);
  const std::string id = jobs.front().id;
  JobJournal(jobs.front()).write(DestinationState::receiving);
  unsetenv("FERRY_STATE_DIR");
  const TwoHosts::Result aborted = hosts_.run("b", {"job", "abort", id});
  expect_says(aborted, 4, "never-ran");
  expect_says(aborted, 4, "only if it surely is nobody's, try: xl destroy ");
  EXPECT_EQ(state("b", "web1--incoming"), "paused");
  EXPECT_EQ(hosts_.run("b", {"job", "abort", id}).status, 2) << "it is settled";
}

INSTANTIATE_TEST_SUITE_P(Through, LooksLikeACopy, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
