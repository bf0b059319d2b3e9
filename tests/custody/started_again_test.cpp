// The guest of a job that was broken off is started again, as another domain with its uuid: by its
// toolstack after the host was restarted, or by hand. Only one of them may run, and who decides
// that is told which there are.
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class StartedAgain : public HeldThroughBoth {
 protected:
  void SetUp() override {
    HeldThroughBoth::SetUp();
    image_ = hosts_.path("old.ferry");
    std::filesystem::remove(image_);
    ASSERT_EQ(hosts_.run("a", {"save", "--keep", "web1", image_}).status, 0);
  }
  std::string held() { return held_without_go(receiver()); }
  // It runs there, and nobody here has heard so.
  std::string unheard() {
    const std::string id = killed_before(kRunning);
    EXPECT_TRUE(within(60, [&] { return state("b") == "running"; }));
    return id;
  }
  // Its memory is there, and it was not given away yet.
  std::string sending() { return killed_before(kReceived); }
  // Without being told to it is made again only where no job is open for it.
  void start_again(const std::string& host, bool claimed = true) {
    if (claimed) expect_says(hosts_.run(host, {"restore", image_}), 4, "ferry job resume");
    const TwoHosts::Result restored = hosts_.run(host, {"restore", "--force", image_});
    ASSERT_EQ(restored.status, 0) << restored.said;
  }
  void do_on(const std::string& host, std::vector<std::string> arguments) {
    const TwoHosts::Result result = hosts_.run(host, arguments);
    ASSERT_EQ(result.status, 0) << result.said;
  }
  void expect_asks(const std::string& id, const std::string& command) {
    const TwoHosts::Result asked = hosts_.run("a", {"job", command, id});
    EXPECT_EQ(asked.status, 4) << asked.said;
    EXPECT_NE(asked.said.find("is the same guest"), std::string::npos) << asked.said;
  }
  std::string image_;
};

TEST_P(StartedAgain, regression_at_the_source_before_it_was_given_away) {
  const std::string id = sending();
  do_on("a", {"destroy", "web1"});
  start_again("a");
  for (const char* command : {"resume", "abort"}) expect_asks(id, command);
  EXPECT_EQ(hosts_.run("a", {"job", "resume", "--force", id}).status, 4);
  EXPECT_EQ(state("b", "web1--incoming"), "paused") << "it runs twice";
  do_on("a", {"job", "abort", "--force", id});
  do_on("a", {"job", "resume", id});  // tells the other host
  EXPECT_EQ(state("b", "web1--incoming"), "");
  hosts_.expect_one_runs("the one that was started again");
}

// The commands that were named led to each other, and one of them to a second copy.
TEST_P(StartedAgain, regression_at_the_source_while_it_is_sent) {
  for (const char* mark : {"open", "reached"}) std::filesystem::remove(hosts_.path(mark));
  command_is(fmt::format("python3 {} 2a {} {} | {}", GATE, hosts_.path("open"),
                         hosts_.path("reached"), receiver()));
  Running migration = migrate();
  ASSERT_TRUE(is_held()) << migration.said();
  const std::string id = job();
  do_on("a", {"destroy", "web1"});
  start_again("a", false);
  open_gate();
  EXPECT_EQ(migration.wait(), 4) << migration.said();
  const std::string ends = "try: ferry job abort --force " + id;
  EXPECT_NE(migration.said().find(ends), std::string::npos) << migration.said();
  command_is(receiver());
  for (const char* command : {"resume", "abort"})
    expect_says(hosts_.run("a", {"job", command, id}), 4, ends);
  expect_says(do_as_told(hosts_.run("a", {"job", "resume", id}).said), 0, "web1 runs here");
  EXPECT_EQ(job(), "");
  do_on("a", {"job", "resume", id});
  do_on("a", {"migrate", "--quiet", "web1", "--via", "sh " + hosts_.path("via.sh")});
  hosts_.expect_one_runs("moved in the end");
}

TEST_P(StartedAgain, regression_at_the_source_after_it_was_given_away) {
  const std::string id = held();
  do_on("a", {"destroy", "web1--migratedaway"});
  start_again("a");
  for (const char* command : {"resume", "abort"}) expect_asks(id, command);
  EXPECT_EQ(hosts_.run("a", {"job", "resume", "--force", id}).status, 4);
  EXPECT_EQ(state("b", "web1--incoming"), "paused") << "it runs twice";
  do_on("a", {"destroy", "web1"});
  do_on("a", {"job", "resume", "--force", id});
  hosts_.expect_one_runs("there");
}

TEST_P(StartedAgain, regression_at_the_source_while_it_runs_there_is_not_said_to_be_well) {
  const std::string id = unheard();
  do_on("a", {"destroy", "web1--migratedaway"});
  start_again("a");
  expect_asks(id, "resume");
  EXPECT_EQ(job(), id);
  do_on("a", {"destroy", "web1"});
  do_on("a", {"job", "resume", id});
  hosts_.expect_one_runs("there");
}

TEST_P(StartedAgain, regression_at_the_destination_in_the_place_of_what_came) {
  const std::string id = held();
  do_on("b", {"destroy", "web1--incoming"});
  start_again("b");
  for (const char* command : {"resume", "abort"}) expect_asks(id, command);
  EXPECT_EQ(state("a"), "") << "it runs twice";
  EXPECT_EQ(state("a", "web1--migratedaway"), "suspended");
  do_on("b", {"destroy", "web1"});
  do_on("a", {"job", "resume", id});
  hosts_.expect_one_runs("taken back");
}

// Its own copy ran, and is gone; the other one may be older than what waits here.
TEST_P(StartedAgain, regression_at_the_destination_in_the_place_of_what_ran) {
  const std::string id = unheard();
  do_on("b", {"destroy", "web1"});
  start_again("b", false);
  for (const char* command : {"resume", "abort"}) {
    const TwoHosts::Result asked = hosts_.run("a", {"job", command, id});
    EXPECT_EQ(asked.status, 4) << asked.said;
    for (const char* named : {"domain 3 (web1) there is the same guest", "(domain 1)",
                              "it ran here, and is not here any more", "older than its disks",
                              "only if no image has what ran there"})
      EXPECT_NE(asked.said.find(named), std::string::npos) << asked.said;
    EXPECT_EQ(state("a", "web1--migratedaway"), "suspended") << "the newer one is destroyed";
  }
  do_on("b", {"destroy", "web1"});
  do_on("a", {"job", "abort", "--force", id});
  hosts_.expect_one_runs("taken back");
}

TEST_P(StartedAgain, at_the_destination_in_the_place_of_what_ran_it_goes_on_if_told_to) {
  const std::string id = unheard();
  do_on("b", {"destroy", "web1"});
  start_again("b", false);
  do_on("a", {"job", "resume", "--force", id});
  EXPECT_EQ(state("a", "web1--migratedaway"), "");
  EXPECT_EQ(state("b"), "running");
  EXPECT_EQ(job(), "");
}

// What is here of it is a job's, which was all that was not said.
TEST_P(StartedAgain, regression_at_the_destination_and_comes_back_to_the_source) {
  const std::string id = held();
  do_on("b", {"destroy", "web1--incoming"});
  start_again("b");
  command_is(fmt::format("{} --host {} receive --stdio", FERRY_SIM, hosts_.path("a.host")));
  const auto comes_back = [&] {
    return hosts_.run("b", {"migrate", "--quiet", "web1", "--via", "sh " + hosts_.path("via.sh")});
  };
  expect_says(comes_back(), 4, "here, try: ferry job resume --force " + id);
  do_on("b", {"job", "resume", "--force", id});
  const TwoHosts::Result refused = comes_back();
  expect_says(refused, 1, "as domain 1 (web1--migratedaway)");
  expect_says(refused, 1, "on the destination, try: ferry job resume " + id);
}

INSTANTIATE_TEST_SUITE_P(Through, StartedAgain, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
