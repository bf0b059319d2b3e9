// A migration over a command that is broken off: what the source says last still reaches the other
// host, and a receiver that is ended with the command settles its job first.
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class LastWord : public HeldThroughBoth {
 protected:
  void expect_settled_there() {
    EXPECT_TRUE(within(60, [&] { return hosts_.open_jobs("b").empty(); }))
        << hosts_.run("b", {"job", "list"}).said;
    EXPECT_EQ(state("b", "web1--incoming"), "");
  }
};

// No answer gets back, and the command takes its time to hand on that the guest runs here again.
TEST_P(LastWord, regression_of_a_source_reaches_the_other_host_over_a_slow_command) {
  hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "2";
  const std::string slow = hosts_.path("slow"), kept = hosts_.path("kept");
  command_is(fmt::format("python3 {0} 3808 {1} {2} | {3} | python3 {0} {4} {5} {6}", GATE, slow,
                         kept, receiver(), kReceived, hosts_.path("open"), hosts_.path("reached")));
  Running migration = migrate();
  ASSERT_TRUE(is_held()) << migration.said();
  ASSERT_TRUE(within(60, [&] { return state("a") == "running"; })) << migration.said();
  EXPECT_EQ(migration.wait(0.001), -1) << "the command is waited for before the guest runs";
  ASSERT_TRUE(within(60, [&] { return std::filesystem::exists(kept); }))
      << "it was not said: " << migration.said();
  migration.wait(6);  // one that had nothing to hand on would be ended by now
  std::ofstream(slow) << "";
  expect_settled_there();
  open_gate();
  EXPECT_EQ(migration.wait(), 1) << migration.said();
  hosts_.expect_one_runs("a slow command");
}

// The command ends with all that it started, the receiver too, in the midst of the image.
TEST_P(LastWord, regression_a_receiver_that_is_told_to_end_settles_its_job) {
  command_is(fmt::format("python3 {} {} | {}", TAKE_LITTLE, 20000, receiver()));
  Running migration = migrate();
  ASSERT_TRUE(within(60, [&] { return state("a") == "suspended"; })) << migration.said();
  ASSERT_TRUE(within(60, [&] { return hosts_.open_jobs("b").size() == 1; })) << migration.said();
  migration.send(SIGTERM);
  EXPECT_EQ(migration.wait(), 1) << migration.said();
  EXPECT_EQ(state("a"), "running");
  expect_settled_there();
}

INSTANTIATE_TEST_SUITE_P(Through, LastWord, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
