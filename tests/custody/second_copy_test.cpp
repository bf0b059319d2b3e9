// A guest of which a job is open on this host is started a second time: from an older image with
// --force, by xl create, or where the host was restarted. Nobody saves that one or moves it on as
// if it were the only one, and the command that ends it is named and works.
#include <optional>

#include "migrate/job_journal.h"
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class SecondCopy : public HeldMigration {
 protected:
  void SetUp() override {
    hosts_.fresh();
    image_ = hosts_.path("old.ferry");
    std::filesystem::remove(image_);
    ASSERT_EQ(hosts_.run("a", {"save", "--keep", "web1", image_}).status, 0);
  }
  std::string held() {
    return held_without_go(
        fmt::format("{} --host {} receive --stdio", FERRY_SIM, hosts_.path("b.host")));
  }
  // The copy that the job knows goes, and another one comes to run.
  void start_again(const std::string& host, const std::string& known) {
    ASSERT_EQ(hosts_.run(host, {"destroy", known}).status, 0);
    const TwoHosts::Result restored = hosts_.run(host, {"restore", "--force", image_});
    ASSERT_EQ(restored.status, 0) << restored.said;
  }
  void expect_refused(const std::string& host, const std::string& ends) {
    const std::string taken = hosts_.path("taken.ferry");
    const std::string elsewhere = "sh " + hosts_.path("elsewhere.sh");
    std::ofstream(hosts_.path("elsewhere.sh")) << fmt::format(
        "FERRY_SIM_HOST={} exec {} receive --stdio\n", hosts_.path("c.host"), FERRY_SIM);
    for (const std::vector<std::string>& command :
         std::vector<std::vector<std::string>>{{"save", "web1", taken},
                                               {"save", "--keep", "web1", taken},
                                               {"migrate", "web1", "--via", elsewhere},
                                               {"evacuate", "--via", elsewhere}}) {
      SCOPED_TRACE(command.front());
      const TwoHosts::Result refused = hosts_.run(host, command);
      expect_says(refused, 4, "is the same guest");
      expect_says(refused, 4, "try: " + ends);
      EXPECT_FALSE(std::filesystem::exists(taken));
      EXPECT_EQ(state(host), "running");
    }
    const TwoHosts::Result checked = hosts_.run(host, {"check", "web1"});
    expect_says(checked, 1, "try: " + ends);
  }
  void expect_saved(const std::string& host) {
    const TwoHosts::Result saved =
        hosts_.run(host, {"save", "--keep", "web1", hosts_.path("saved.ferry")});
    EXPECT_EQ(saved.status, 0) << saved.said;
    std::filesystem::remove(hosts_.path("saved.ferry"));
  }
  // As if its receiver had been killed in that state.
  void journal_there_is(const std::string& id, DestinationState state) {
    setenv("FERRY_STATE_DIR", (hosts_.path("b.host") + ".jobs").c_str(), 1);
    EXPECT_TRUE(within(60, [&] { return !is_worked_on(id, false); }));
    JobJournal(find_job(id, false).value()).write(state);
    unsetenv("FERRY_STATE_DIR");
  }
  std::string image_;
};

// Each command ended with 0, and the guest ran on three hosts.
TEST_F(SecondCopy, regression_at_the_source_it_is_the_jobs_too) {
  const std::string id = held();
  start_again("a", "web1--migratedaway");
  const std::string ends = "ferry job abort --force " + id;
  expect_refused("a", ends);
  ASSERT_EQ(hosts_.run("a", {"job", "abort", "--force", id}).status, 0);
  expect_saved("a");
  ASSERT_EQ(hosts_.run("a", {"job", "resume", id}).status, 0);  // tells the other host
  hosts_.expect_one_runs("the one that was started again");
}

TEST_F(SecondCopy, regression_so_it_is_on_the_host_that_it_was_to_come_to) {
  for (const DestinationState state :
       {DestinationState::held, DestinationState::about_to_run, DestinationState::may_have_run}) {
    SCOPED_TRACE(static_cast<int>(state));
    SetUp();
    const std::string id = held();
    journal_there_is(id, state);
    start_again("b", "web1--incoming");
    expect_refused("b", "ferry job resume --force " + id);
    expect_says(hosts_.run("b", {"job", "resume", "--force", id}), 0, "goes on as that");
    expect_saved("b");
    EXPECT_EQ(hosts_.run("a", {"job", "resume", id}).status, 4);
    EXPECT_EQ(hosts_.run("a", {"job", "resume", "--force", id}).status, 0);
    hosts_.expect_one_runs("the one that was started again there");
  }
}

TEST_F(SecondCopy, regression_also_if_it_came_there_only_half) {
  const std::string id = held();
  journal_there_is(id, DestinationState::receiving);
  start_again("b", "web1--incoming");
  expect_refused("b", "ferry job abort " + id);
  EXPECT_EQ(hosts_.run("b", {"job", "abort", id}).status, 0);
  EXPECT_EQ(state("b"), "running");
  expect_saved("b");
}

TEST_F(SecondCopy, regression_nor_is_it_resumed_as_if_it_were_the_only_one) {
  const std::string id = held();
  start_again("a", "web1--migratedaway");
  expect_says(hosts_.run("a", {"resume", "web1"}), 4, "try: ferry job abort --force " + id);
}

// Each had looked before the other one made a domain, and two ran.
TEST_F(SecondCopy, regression_two_restores_at_a_time_are_one) {
  const std::string id = held();
  setenv("FERRY_STATE_DIR", (hosts_.path("a.host") + ".jobs").c_str(), 1);
  const std::string uuid = find_job(id, true).value().uuid;
  setenv("FERRY_STATE_DIR", (hosts_.path("c.host") + ".jobs").c_str(), 1);
  std::optional<FileLock> arrival = lock_arrival(uuid);  // as the first one has it
  unsetenv("FERRY_STATE_DIR");
  ASSERT_TRUE(arrival);
  const auto restore = [&] { return hosts_.run("c", {"restore", "--name", "web2", image_}); };
  expect_says(restore(), 1, "is arriving here already");
  EXPECT_EQ(state("c", "web2"), "");
  arrival.reset();
  expect_says(restore(), 0, "restored web2");
}

// It came back before its source had heard that it ran there, and nobody here could save it then.
TEST_F(SecondCopy, it_does_not_come_back_while_its_job_is_open) {
  const auto receiver = [&](const std::string& host) {
    return fmt::format("FERRY_SIM_HOST={} {} receive --stdio", hosts_.path(host + ".host"),
                       FERRY_SIM);
  };
  command_is(receiver("b") + fmt::format(" | python3 {} {}", GATE, kRunning));
  hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "1";  // the link is only silent
  Running migration = migrate();
  EXPECT_EQ(migration.wait(), 4) << migration.said();
  hosts_.extra_environment.erase("FERRY_HANDOVER_TIMEOUT");
  const std::string id = job();
  ASSERT_EQ(hosts_.run("a", {"destroy", "web1--migratedaway"}).status, 0);
  std::ofstream(hosts_.path("back.sh")) << receiver("a") << "\n";
  const auto comes_back = [&] {
    return hosts_.run("b", {"migrate", "--quiet", "web1", "--via", "sh " + hosts_.path("back.sh")});
  };
  const std::string settles = "ferry job resume " + id;
  expect_says(comes_back(), 1, "on the destination, try: " + settles);
  command_is(receiver("b"));
  expect_says(hosts_.run("a", {"job", "resume", id}), 0, "web1 runs there");
  expect_says(comes_back(), 0, "");
  expect_saved("a");
  hosts_.expect_one_runs("back");
}

}  // namespace
}  // namespace ferry::test
