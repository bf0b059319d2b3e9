// A copy that came has run, and its job's journal does not say so: the receiver died right after it
// let the guest run, or somebody unpaused it. Nobody may take it for one that never ran: it would
// be destroyed, and an older one would run on disks that have gone on.
#include "migrate/job_journal.h"
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class HasRun : public HeldThroughBoth {
 protected:
  // Its go has arrived, and it runs; the journal says what it said right before.
  std::string about_to_run() {
    const std::string id = killed_before(kRunning);
    EXPECT_EQ(state("a", "web1--migratedaway"), "suspended");
    EXPECT_TRUE(within(60, [&] { return state("b") == "running"; }));
    setenv("FERRY_STATE_DIR", (hosts_.path("b.host") + ".jobs").c_str(), 1);
    EXPECT_TRUE(within(60, [&] { return !is_worked_on(id, false); }));
    JobJournal(find_job(id, false).value()).write(DestinationState::about_to_run);
    unsetenv("FERRY_STATE_DIR");
    return id;
  }
  std::string held() { return held_without_go(receiver()); }
  void on_b(std::initializer_list<std::string> arguments) {
    const TwoHosts::Result result = hosts_.run("b", arguments);
    ASSERT_EQ(result.status, 0) << result.said;
  }
  // xl pause: a save that knows of no job does the same.
  void pause_on_b(const std::string& name, const std::string& id) {
    const std::string journal = hosts_.path("b.host.jobs") + "/" + id + ".destination";
    std::filesystem::rename(journal, hosts_.path("aside"));
    on_b({"save", "--pause", name, hosts_.path("paused.ferry")});
    std::filesystem::rename(hosts_.path("aside"), journal);
    EXPECT_NE(state("b", name), "running");
  }
  std::string journal_on_b(const std::string& id) {
    std::istringstream lines(hosts_.run("b", {"job", "list", "--all"}).said);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(id)) return line.substr(47, line.find_first_of(", ", 47) - 47);
    return {};
  }
};

TEST_P(HasRun, regression_and_is_gone_since_is_not_said_to_have_never_run) {
  for (const bool force : {false, true}) {
    hosts_.fresh();
    const std::string id = about_to_run();
    on_b({"run", "web1", "--steps", "50"});
    on_b({"destroy", "web1"});
    expect_says(force ? hosts_.run("b", {"job", "abort", "--force", id})
                      : hosts_.run("b", {"job", "abort", id}),
                4, "nobody knows whether it ran");
    EXPECT_EQ(journal_on_b(id), "may-have-run");
    for (const char* command : {"abort", "resume"})
      EXPECT_EQ(hosts_.run("a", {"job", command, id}).status, 4);
    EXPECT_EQ(state("a", "web1--migratedaway"), "suspended") << "older than its disks";
  }
}

TEST_P(HasRun, regression_and_runs_on_is_noted_so_whoever_aborts_it) {
  for (const bool force : {false, true}) {
    hosts_.fresh();
    const std::string id = about_to_run();
    expect_says(force ? hosts_.run("b", {"job", "abort", "--force", id})
                      : hosts_.run("b", {"job", "abort", id}),
                0, "web1 has run here");
    EXPECT_EQ(journal_on_b(id), "runs");
    expect_says(hosts_.run("a", {"job", "abort", id}), 0, "web1 runs there");
    hosts_.expect_one_runs("there");
  }
}

TEST_P(HasRun, regression_and_was_paused_there_is_not_thrown_away) {
  for (const bool by_source : {true, false}) {
    hosts_.fresh();
    const std::string id = about_to_run();
    on_b({"run", "web1", "--steps", "50"});
    pause_on_b("web1", id);
    EXPECT_EQ((by_source ? hosts_.run("a", {"job", "abort", id})
                         : hosts_.run("b", {"job", "abort", "--force", id}))
                  .status,
              0);
    EXPECT_NE(state("b"), "") << "the copy that has run is lost";
    EXPECT_EQ(journal_on_b(id), "runs");
    EXPECT_EQ(state("a"), "") << "the older copy runs";
  }
}

// The name was free: another guest has it.
TEST_P(HasRun, regression_under_another_name_now_is_not_thrown_away_for_want_of_its_own) {
  for (const char* command : {"resume", "abort"}) {
    SCOPED_TRACE(command);
    hosts_.fresh();
    const std::string id = about_to_run();
    on_b({"run", "web1", "--steps", "50"});
    pause_on_b("web1", id);
    on_b({"rename", "web1", "web1-old"});
    on_b({"create", "web1", "--memory", "2"});
    const TwoHosts::Result settled = hosts_.run("a", {"job", command, id});
    EXPECT_EQ(settled.status, 0) << settled.said;
    EXPECT_NE(state("b", "web1-old"), "") << "the copy that has run is lost";
    EXPECT_EQ(state("a"), "") << "the older copy runs";
    EXPECT_EQ(journal_on_b(id), "runs");
  }
}

TEST_P(HasRun, regression_by_hand_and_was_paused_again_is_not_thrown_away) {
  const std::string id = held();
  on_b({"unpause", "web1--incoming"});
  on_b({"run", "web1--incoming", "--steps", "50"});
  pause_on_b("web1--incoming", id);
  const TwoHosts::Result aborted = hosts_.run("a", {"job", "abort", id});
  EXPECT_EQ(state("a"), "") << "the older copy runs";
  EXPECT_EQ(journal_on_b(id), "runs") << aborted.said;
  EXPECT_NE(state("b", "web1--incoming") + state("b"), "") << "the copy that has run is lost";
}

// What waits there as it came, goes.
TEST_P(HasRun, not_is_seen_too) {
  const std::string id = held();
  on_b({"rename", "web1--incoming", "somebody"});
  expect_says(hosts_.run("a", {"job", "abort", id}), 0, "web1 runs here");
  EXPECT_EQ(state("b", "somebody"), "");
  EXPECT_EQ(journal_on_b(id), "never-ran");
  hosts_.expect_one_runs("taken back");
}

INSTANTIATE_TEST_SUITE_P(Through, HasRun, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
