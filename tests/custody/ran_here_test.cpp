// What was given away is resumed at its source by hand, runs, and stands still again: a save of it
// was killed, while the job's journal was away. It is not what was given away any more, and nobody
// may destroy it, or let it run, unasked.
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class RanHere : public HeldThroughBoth {
 protected:
  std::string held() { return held_without_go(receiver()); }
  // The steps tell by hand-written commands: the journal is away meanwhile.
  void run_here_meanwhile(const std::string& id, unsigned steps = 300) {
    const std::string journal = hosts_.path("a.host.jobs") + "/" + id + ".source";
    std::filesystem::rename(journal, hosts_.path("aside"));
    on_a({"resume", "--force", "1"});
    if (steps != 0) on_a({"run", kAway, "--steps", std::to_string(steps)});
    suspend_by_killed_save(kAway);
    std::filesystem::rename(hosts_.path("aside"), journal);
  }
  void on_a(std::initializer_list<std::string> arguments) {
    const TwoHosts::Result result = hosts_.run("a", arguments);
    ASSERT_EQ(result.status, 0) << result.said;
  }
  TwoHosts::Result job_on_a(const std::string& command, const std::string& id) {
    return hosts_.run("a", {"job", command, id});
  }

  static constexpr char kAway[] = "web1--migratedaway";
};

// The one there has not run, and is older than the disks now.
TEST_P(RanHere, regression_and_is_not_destroyed_for_a_copy_that_waits_there) {
  for (const char* command : {"resume", "abort"}) {
    SCOPED_TRACE(command);
    hosts_.fresh();
    const std::string id = held();
    run_here_meanwhile(id);
    const auto asked = job_on_a(command, id);
    expect_says(asked, 4, "has run since");
    EXPECT_EQ(state("a", kAway), "suspended") << "what has run last is lost";
    EXPECT_EQ(state("b"), "") << "the older copy runs";
    expect_says(do_as_told(asked.said), 0, "web1 runs here");
    EXPECT_EQ(state("a"), "running");
    EXPECT_EQ(state("b", "web1--incoming"), "");
    EXPECT_EQ(job(), "");
  }
}

TEST_P(RanHere, regression_and_is_not_destroyed_unasked_for_one_that_runs_there) {
  for (const char* command : {"resume", "abort"}) {
    SCOPED_TRACE(command);
    hosts_.fresh();
    const std::string id = killed_before(kRunning);
    ASSERT_TRUE(within(60, [&] { return state("b") == "running"; }));
    run_here_meanwhile(id);
    const auto asked = job_on_a(command, id);
    expect_says(asked, 4, "has run since");
    EXPECT_EQ(state("a", kAway), "suspended") << "what has run last is lost";
    EXPECT_EQ(state("b"), "running");
    EXPECT_EQ(job(), id);
    expect_says(do_as_told(asked.said), 0, "web1 runs there");
    const std::string left = state("a", kAway);  // some of its pages are mapped by the killed save
    EXPECT_TRUE(left.empty() || left == "dying") << left;
    hosts_.expect_one_runs("there");
  }
}

// Neither of the two is known to be the newer one.
TEST_P(RanHere, regression_and_is_not_destroyed_unasked_for_one_that_may_have_run_there) {
  const std::string id = killed_before(kRunning);
  ASSERT_TRUE(within(60, [&] { return state("b") == "running"; }));
  run_here_meanwhile(id);
  ASSERT_EQ(hosts_.run("b", {"destroy", "web1"}).status, 0);
  const auto asked = job_on_a("resume", id);
  expect_says(asked, 4, "has run since");
  EXPECT_EQ(asked.said.find("runs on"), std::string::npos) << asked.said;
  EXPECT_EQ(state("a", kAway), "suspended");
  expect_says(hosts_.run("a", {"job", "abort", "--force", id}), 0, "web1 runs here");
  EXPECT_EQ(state("a"), "running");
}

// However little it ran: somebody else has suspended it.
TEST_P(RanHere, regression_for_no_time_at_all_and_is_told_by_who_suspended_it) {
  const std::string id = held();
  run_here_meanwhile(id, 0);
  const auto asked = job_on_a("resume", id);
  expect_says(asked, 4, "has run since");
  EXPECT_EQ(state("a", kAway), "suspended");
  expect_says(do_as_told(asked.said), 0, "web1 runs here");
}

// A guest that is suspended as it was is given away as ever.
TEST_P(RanHere, not_and_its_job_is_settled_as_ever) {
  const std::string id = held();
  expect_says(job_on_a("resume", id), 0, "web1 runs there");
  hosts_.expect_one_runs("there");
}

INSTANTIATE_TEST_SUITE_P(Through, RanHere, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
