// A guest that somebody else has, or may have: whatever command an operator gives about it, on
// either host, no second copy comes to run, and what is said of it is so.
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

constexpr char kGo[] = "3805", kKept[] = "3808";

class Claimed : public HeldMigration {
 protected:
  void SetUp() override { hosts_.fresh(); }

  std::string receiver() const {
    return fmt::format("{} --host {} receive --stdio", FERRY_SIM, hosts_.path("b.host"));
  }
  // What the other host is reached by; the link ends before the first frame there, or back, whose
  // body begins like that.
  void cut_before(const std::string& there, const std::string& back) {
    const std::string gate = fmt::format("python3 {} ", GATE);
    command_is((there.empty() ? "" : gate + there + " | ") + receiver() +
               (back.empty() ? "" : " | " + gate + back));
  }
  std::string broken_off(int status) {
    hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] =
        "1";  // the link is not closed, only silent
    Running migration = migrate();
    EXPECT_EQ(migration.wait(), status) << migration.said();
    hosts_.extra_environment.erase("FERRY_HANDOVER_TIMEOUT");
    command_is(receiver());
    const auto jobs = hosts_.open_jobs(status == 4 ? "a" : "b");
    EXPECT_EQ(jobs.size(), 1u);
    return jobs.empty() ? "" : jobs.front();
  }
  // It runs there, and its source has never heard of it.
  std::string given_away() {
    cut_before("", kRunning);
    return broken_off(4);
  }
  // The go got lost: held there, suspended here.
  std::string given_away_and_held() {
    cut_before(kGo, "");
    return broken_off(4);
  }
  // The source took it back, and could not say so: it runs here, and is held there.
  std::string taken_back() {
    cut_before(kKept, kReceived);
    const std::string id = broken_off(1);
    EXPECT_EQ(state("a"), "running");
    EXPECT_EQ(state("b", "web1--incoming"), "paused");
    return id;
  }
  std::string journal(const std::string& host, const std::string& id) const {
    return fmt::format("{}.host.jobs/{}.{}", hosts_.path(host), id,
                       host == "a" ? "source" : "destination");
  }
  // Everything that would read the guest, or move it.
  void expect_refused(const std::string& host, const std::string& name, const std::string& why) {
    const std::string image = hosts_.path("taken.ferry");
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"save", name, image},
             {"save", "--keep", name, image},
             {"migrate", name, "--via", "sh " + hosts_.path("via.sh")}}) {
      SCOPED_TRACE(command.front());
      expect_says(hosts_.run(host, command), 4, why);
      EXPECT_FALSE(std::filesystem::exists(image));
    }
    const auto checked = hosts_.run(host, {"check", name});
    EXPECT_NE(checked.status, 0) << checked.said;
    EXPECT_NE(checked.said.find(why), std::string::npos) << checked.said;
  }
};

// Two copies would run, and each command end with 0.
TEST_F(Claimed, regression_a_guest_whose_journal_is_lost_is_neither_saved_nor_moved_on) {
  for (const char* damage : {"gone", "empty", "another state"}) {
    SCOPED_TRACE(damage);
    hosts_.fresh();
    const std::string id = given_away();
    const std::string path = journal("a", id);
    if (damage == std::string("gone"))
      std::filesystem::remove(path);
    else
      std::ofstream(path) << (damage == std::string("empty") ? "" : "{\"state\":\"given-awax\"}");
    expect_refused("a", "web1--migratedaway",
                   "it may run elsewhere; only if it surely does not, try: ferry resume --force");
    EXPECT_EQ(hosts_.run("a", {"resume", "web1--migratedaway"}).status, 4);
    EXPECT_EQ(state("a", "web1--migratedaway"), "suspended");
  }
}

TEST_F(Claimed, regression_nor_is_one_that_something_else_suspended) {
  const std::string id = given_away();
  std::filesystem::remove(journal("a", id));
  for (const auto& file : std::filesystem::directory_iterator(hosts_.path("a.host.run")))
    if (file.path().extension() == ".suspended") std::filesystem::remove(file.path());
  expect_refused("a", "web1--migratedaway", "but not by a broken save of ferry");
}

TEST_F(Claimed, regression_one_of_another_version_of_ferry_is_left_to_that) {
  const std::string id = given_away();
  const std::string path = journal("a", id);
  std::string text;
  std::getline(std::ifstream(path), text);
  text.replace(text.find("\"version\":4"), 11, "\"version\":9");
  std::ofstream(path) << text << "\n";
  expect_refused("a", "web1--migratedaway", "settle it with that one");
  expect_says(hosts_.run("a", {"job", "resume", id}), 4, "settle it with that one");
}

// "Unpause it first" would have made it run twice.
TEST_F(Claimed, regression_a_copy_that_waits_for_its_source_is_nobody_elses) {
  for (const bool away : {true, false}) {
    SCOPED_TRACE(away);
    hosts_.fresh();
    const std::string id = away ? given_away_and_held() : taken_back();
    expect_refused("b", "web1--incoming", "on the source, try: ferry job resume " + id);
    // Also if somebody has let it run.
    ASSERT_EQ(hosts_.run("b", {"unpause", "web1--incoming"}).status, 0);
    expect_refused("b", "web1--incoming", "on the source, try: ferry job resume " + id);
  }
}

TEST_F(Claimed, regression_a_copy_that_runs_though_its_source_kept_the_guest_is_told) {
  const std::string id = taken_back();
  ASSERT_EQ(hosts_.run("b", {"unpause", "web1--incoming"}).status, 0);
  expect_says(hosts_.run("a", {"job", "resume", id}), 4, "says that it has run there too");
  expect_says(hosts_.run("a", {"job", "resume", id}), 4, "on that host it is domain ");
  ASSERT_EQ(hosts_.run("b", {"destroy", "web1--incoming"}).status, 0);
  hosts_.expect_one_runs("the other copy destroyed");
}

TEST_F(Claimed, regression_one_that_was_taken_back_says_if_the_other_host_was_not_told) {
  const std::string id = taken_back();
  command_is("exit 1");
  expect_says(hosts_.run("a", {"job", "resume", id}), 0, "was not told");
  command_is(receiver());
  const auto told = hosts_.run("a", {"job", "resume", id});
  expect_says(told, 0, "web1 runs here");
  EXPECT_EQ(told.said.find("was not told"), std::string::npos) << told.said;
  EXPECT_EQ(state("b", "web1--incoming"), "");
}

// The two commands named each other for ever.
TEST_F(Claimed, regression_a_job_that_the_other_host_has_forgotten_can_be_ended) {
  const std::string id = given_away();
  for (const auto& file : std::filesystem::directory_iterator(hosts_.path("b.host.jobs")))
    std::filesystem::remove(file.path());
  const auto asked = hosts_.run("a", {"job", "resume", "--force", id});
  expect_says(asked, 4, "its journal is gone");
  expect_says(asked, 4, "only if it surely never ran there, try: ferry job abort --force " + id);
  EXPECT_EQ(state("a", "web1--migratedaway"), "suspended");
  ASSERT_EQ(hosts_.run("a", {"destroy", "web1--migratedaway"}).status, 0);
  const auto gone = hosts_.run("a", {"job", "resume", id});
  expect_says(gone, 4, "it is not here any more");
  expect_says(do_as_told(gone.said), 0, "web1 is given up here");
  EXPECT_EQ(job(), "");
}

TEST_F(Claimed, regression_a_job_without_a_journal_that_can_be_read_says_what_is_left_to_do) {
  const std::string id = given_away();
  std::ofstream(journal("a", id)) << "";
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"job", "resume", id}, {"job", "abort", id}, {"job", "abort", "--force", id}})
    expect_says(hosts_.run("a", command), 4, "ferry resume --force");
}

// "No such domain" was all that was said of it.
TEST_F(Claimed, regression_a_job_that_came_here_is_asked_and_stopped_where_it_is_sent) {
  const std::string id = given_away_and_held();
  for (const char* command : {"info", "cancel"})
    expect_says(hosts_.run("b", {"job", command, id}), 2, "came to this host (held)");
  EXPECT_EQ(state("b", "web1--incoming"), "paused");
}

TEST_F(Claimed, regression_what_was_given_away_is_not_said_to_be_cancelled) {
  command_is(fmt::format("{} | python3 {} {} {} {}", receiver(), GATE, kRunning,
                         hosts_.path("open"), hosts_.path("reached")));
  Running migration = migrate();
  ASSERT_TRUE(is_held()) << migration.said();
  const std::string id = job();
  // By its old name or its present one, by its number, or by the job.
  for (const std::string& what :
       {std::string("web1"), std::string("web1--migratedaway"), std::string("1"), id}) {
    const auto cancelled = hosts_.run("a", {"job", "cancel", what});
    expect_says(cancelled, 4, "was given to");
    EXPECT_EQ(cancelled.said.find("stays here"), std::string::npos) << cancelled.said;
  }
  open_gate();
  EXPECT_EQ(migration.wait(), 0) << migration.said();
  hosts_.expect_one_runs("not cancelled");
}

}  // namespace
}  // namespace ferry::test
