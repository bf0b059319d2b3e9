// What the commands say, and with which exit code, that settle a migration which was broken off:
// where the guest runs nowhere it is for the operator, whatever went wrong.
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

constexpr char kGo[] = "3805";

class Settling : public HeldMigration {
 protected:
  void SetUp() override { hosts_.fresh(); }

  std::string receiver(const std::string& host = "b") const {
    return fmt::format("{} --host {} receive --stdio", FERRY_SIM, hosts_.path(host + ".host"));
  }
  // Suspended here, held there: the go got lost.
  std::string given_away_and_held(const std::string& to = "b") {
    command_is(fmt::format("python3 {} {} | {}", GATE, kGo, receiver(to)));
    hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "1";
    Running migration = migrate();
    EXPECT_EQ(migration.wait(), 4) << migration.said();
    hosts_.extra_environment.erase("FERRY_HANDOVER_TIMEOUT");
    command_is(receiver(to));
    return only_source_job();
  }
  std::string only_source_job() const {
    for (const auto& file : std::filesystem::directory_iterator(jobs_folder()))
      if (file.path().extension() == ".source") return file.path().stem();
    return {};
  }
  std::string jobs_folder() const { return hosts_.path("a.host.jobs"); }
  std::string journal(const std::string& id) const { return jobs_folder() + "/" + id + ".source"; }
};

TEST_F(Settling, regression_a_damaged_journal_of_the_other_side_is_in_nobodys_way) {
  const std::string id = given_away_and_held();
  std::ofstream(jobs_folder() + "/" + id + ".destination") << "no journal";
  const auto aborted = hosts_.run("a", {"job", "abort", id});
  EXPECT_EQ(aborted.status, 0) << aborted.said;
  hosts_.expect_one_runs("by the sound journal");
  EXPECT_TRUE(hosts_.runs_on("a"));
}

// A folder has the name that something on this host is to be written under: the journal's next
// state, the job's lock, the domain's lock.
TEST_F(Settling, regression_what_this_host_cannot_write_is_for_the_operator_while_nothing_runs) {
  const std::string id = given_away_and_held();
  for (const std::string& in_the_way :
       {journal(id) + ".new", journal(id) + ".lock", hosts_.path("a.host.run/domain-1.lock")}) {
    SCOPED_TRACE(in_the_way);
    std::filesystem::create_directories(in_the_way + "/folder");
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"job", "resume", id}, {"job", "abort", "--force", id}}) {
      if (in_the_way.ends_with(".new") && command.size() == 3) continue;  // could run there
      const auto result = hosts_.run("a", command);
      expect_says(result, 4, "is suspended here and does not run");
      expect_says(result, 4, "try: ferry job resume " + id);
      EXPECT_EQ(state("a", "web1--migratedaway"), "suspended");
      EXPECT_FALSE(hosts_.runs_on("b"));
    }
    std::filesystem::remove_all(in_the_way);
  }
  const auto resumed = hosts_.run("a", {"job", "resume", id});
  EXPECT_EQ(resumed.status, 0) << resumed.said;
  hosts_.expect_one_runs("once it was put right");
}

// The other host holds the last copy.
TEST_F(Settling, regression_a_guest_that_is_gone_before_its_go_is_for_the_operator) {
  hold(kReceived);
  Running migration = migrate();
  ASSERT_TRUE(is_held()) << migration.said();
  const std::string id = only_source_job();
  migration.send(SIGUSR2);
  ASSERT_NE(migration.wait(), -1);
  ASSERT_EQ(hosts_.run("a", {"destroy", "web1"}).status, 0);
  command_is(receiver());
  ASSERT_EQ(state("b", "web1--incoming"), "paused");
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"job", "abort", id}, {"job", "abort", "--force", id}})
    expect_says(hosts_.run("a", command), 4, "is not here any more");
  const auto told = hosts_.run("a", {"job", "abort", id});
  expect_says(do_as_told(told.said), 0, "runs there");
  hosts_.expect_one_runs("the last copy");
}

// Sent to the host that it is on, which is how one machine tries a migration out.
TEST_F(Settling, regression_no_force_takes_a_guest_back_beside_a_copy_that_runs_here) {
  command_is(fmt::format("{} | python3 {} {}", receiver("a"), GATE, kRunning));
  hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "1";
  Running migration = migrate();
  ASSERT_EQ(migration.wait(), 4) << migration.said();
  hosts_.extra_environment.erase("FERRY_HANDOVER_TIMEOUT");
  command_is(receiver("a"));
  const std::string id = only_source_job();
  ASSERT_EQ(state("a"), "running");
  ASSERT_EQ(state("a", "web1--migratedaway"), "suspended");
  const auto forced = hosts_.run("a", {"job", "abort", "--force", id});
  expect_says(forced, 4, "runs here already, as domain 2 (web1)");
  EXPECT_EQ(state("a", "web1--migratedaway"), "suspended");
  EXPECT_EQ(do_as_told(forced.said).status, 0);
  EXPECT_EQ(state("a"), "running");
  EXPECT_EQ(state("a", "web1--migratedaway"), "");
}

TEST_F(Settling, regression_a_cancel_that_nothing_answers_says_so) {
  hold(kReceived);
  Running migration = migrate();
  ASSERT_TRUE(is_held()) << migration.said();
  const std::string id = only_source_job();
  migration.send(SIGSTOP);
  const auto cancelled = hosts_.run("a", {"job", "cancel", "web1"});
  expect_says(cancelled, 4, "has not answered");
  expect_says(cancelled, 4, "is suspended here");
  EXPECT_EQ(cancelled.said.find("stays here"), std::string::npos) << cancelled.said;
  migration.send(SIGKILL);
  migration.wait();
  command_is(receiver());
  EXPECT_EQ(do_as_told(cancelled.said).status, 0);
  hosts_.expect_one_runs("ended, as told");
}

}  // namespace
}  // namespace ferry::test
