// Two at once: the source's copy is destroyed by hand after go, and the other host cannot follow
// that go. The copy there is the last one, and stays until somebody says what shall become of it.
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class LastCopy : public HeldThroughBoth {
 protected:
  void SetUp() override {
    HeldThroughBoth::SetUp();
    command_is(fmt::format("python3 {} 3805 {} {} | {}", GATE, hosts_.path("open"),
                           hosts_.path("reached"), receiver()));
  }

  // Its go is on its way.
  Running given_away() {
    Running migration = migrate();
    EXPECT_TRUE(within(60, [&] { return is_held(0) || migration.wait(0.001) != -1; }));
    EXPECT_TRUE(is_held(0)) << migration.said();
    EXPECT_EQ(state("a", "web1--migratedaway"), "suspended");
    return migration;
  }
  void destroy_source() { ASSERT_EQ(hosts_.run("a", {"destroy", "web1--migratedaway"}).status, 0); }
  // A folder has the name that the next state there is written under.
  std::string in_the_journals_way() {
    return hosts_.path("b.host.jobs") + "/" + job() + ".destination.new";
  }
  void let_nobody_write_there() {
    std::filesystem::create_directory(in_the_journals_way());
    std::ofstream(in_the_journals_way() + "/file") << "";
  }
  std::string arrived() { return state("b", "web1--incoming"); }

  void expect_asked_and_kept(Running& migration, const std::string& why) {
    open_gate();
    ASSERT_EQ(migration.wait(), 4) << migration.said();
    EXPECT_NE(migration.said().find("is not here any more"), std::string::npos) << migration.said();
    EXPECT_NE(migration.said().find(why), std::string::npos) << migration.said();
    EXPECT_EQ(arrived(), "paused") << "the last copy is lost";
  }
  // What the source says; the other host has a word of its own for people.
  static std::string by_source(const std::string& said) {
    std::istringstream lines(said);
    for (std::string line; std::getline(lines, line);)
      if (line.find("is not here any more") != std::string::npos) return line;
    return {};
  }
  void expect_runs_there_as_told(const std::string& said) {
    const TwoHosts::Result settled = do_as_told(by_source(said));
    EXPECT_EQ(settled.status, 0) << settled.said;
    hosts_.expect_one_runs("the last copy");
    EXPECT_TRUE(hosts_.runs_on("b"));
    EXPECT_TRUE(hosts_.open_jobs("a").empty());
    EXPECT_TRUE(hosts_.open_jobs("b").empty());
  }
};

TEST_P(LastCopy, regression_is_kept_where_the_journal_cannot_be_written) {
  Running migration = given_away();
  destroy_source();
  let_nobody_write_there();
  expect_asked_and_kept(migration, "cannot write");
  std::filesystem::remove_all(in_the_journals_way());
  expect_runs_there_as_told(migration.said());
}

TEST_P(LastCopy, regression_is_kept_where_its_name_is_taken) {
  Running migration = given_away();
  destroy_source();
  ASSERT_EQ(hosts_.run("b", {"create", "web1", "--memory", "2"}).status, 0);
  expect_asked_and_kept(migration, "cannot get its name");
  const TwoHosts::Result again = do_as_told(by_source(migration.said()));
  EXPECT_EQ(again.status, 4) << again.said;
  EXPECT_EQ(arrived(), "paused") << again.said;
  ASSERT_EQ(hosts_.run("b", {"destroy", "web1"}).status, 0);
  expect_runs_there_as_told(again.said);
}

// Where the source has its copy, that one runs on, at once.
TEST_P(LastCopy, goes_where_it_is_not_the_last) {
  Running migration = given_away();
  let_nobody_write_there();
  open_gate();
  EXPECT_EQ(migration.wait(), 1) << migration.said();
  EXPECT_NE(migration.said().find("cannot write"), std::string::npos) << migration.said();
  hosts_.expect_one_runs("no journal there");
  EXPECT_TRUE(hosts_.runs_on("a"));
  EXPECT_EQ(arrived(), "");
  EXPECT_TRUE(hosts_.open_jobs("a").empty());
}

INSTANTIATE_TEST_SUITE_P(Through, LastCopy, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
