// A guest has run on the other host, and what was said of that got lost. Meanwhile both hosts go
// on: what is asked later is answered by what is there then.
#include "migrate/job_journal.h"
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class RanThere : public HeldThroughBoth {
 protected:
  // It runs there, and its source has never heard of it.
  std::string unheard() {
    const std::string id = killed_before(kRunning);
    EXPECT_TRUE(within(60, [&] { return state("b") == "running"; }));
    EXPECT_EQ(state("a", "web1--migratedaway"), "suspended");
    return id;
  }
  TwoHosts::Result on_source(std::initializer_list<std::string> arguments) {
    return hosts_.run("a", arguments);
  }
};

TEST_P(RanThere, regression_and_is_gone_there_since_its_copy_here_is_not_dropped_unasked) {
  for (const char* command : {"resume", "abort"}) {
    SCOPED_TRACE(command);
    hosts_.fresh();
    const std::string id = unheard();
    ASSERT_EQ(hosts_.run("b", {"destroy", "web1"}).status, 0);
    const auto asked = on_source({"job", command, id});
    expect_says(asked, 4, "is not there any more");
    EXPECT_EQ(state("a", "web1--migratedaway"), "suspended") << "its last copy is lost";
    EXPECT_EQ(job(), id);
    const auto told = do_as_told(asked.said);
    expect_says(told, 0, "web1 is given up here");
    EXPECT_EQ(state("a", "web1--migratedaway"), "");
    EXPECT_EQ(job(), "");
  }
}

// Its domain has another number then: an operator knows whether that is what became of it.
TEST_P(RanThere, and_was_restarted_there_goes_on_there_once_an_operator_says_so) {
  const std::string id = unheard();
  ASSERT_EQ(hosts_.run("b", {"save", "web1", hosts_.path("there.ferry")}).status, 0);
  ASSERT_EQ(hosts_.run("b", {"restore", "--force", hosts_.path("there.ferry")}).status, 0);
  expect_says(on_source({"job", "resume", id}), 4, "ferry job resume --force " + id);
  expect_says(on_source({"job", "resume", "--force", id}), 0, "web1 is given up here");
  hosts_.expect_one_runs("restarted there");
  EXPECT_EQ(state("a", "web1--migratedaway"), "");
}

TEST_P(RanThere, regression_and_the_source_cannot_note_it_is_said) {
  const std::string id = unheard();
  const std::string in_the_way = hosts_.path("a.host.jobs") + "/" + id + ".source.new";
  std::filesystem::create_directory(in_the_way);
  std::ofstream(in_the_way + "/file") << "";
  const auto asked = on_source({"job", "resume", id});
  expect_says(asked, 4, "web1 runs on ");
  EXPECT_EQ(asked.said.find("nobody has said"), std::string::npos) << asked.said;
  std::filesystem::remove_all(in_the_way);
  expect_says(do_as_told(asked.said), 0, "web1 runs there");
  hosts_.expect_one_runs("noted in the end");
}

TEST_P(RanThere, regression_a_job_that_is_settled_says_only_that) {
  const std::string id = unheard();
  expect_says(on_source({"job", "resume", id}), 0, "web1 runs there");
  ASSERT_EQ(hosts_.run("b", {"destroy", "web1"}).status, 0);
  expect_says(on_source({"job", "resume", id}), 0, "is settled: web1 was given to ");
  expect_says(on_source({"job", "abort", id}), 2, "is settled: web1 was given to ");
  expect_says(on_source({"job", "abort", "--force", id}), 2, "is settled: web1 was given to ");
}

TEST_P(RanThere, regression_a_job_that_was_taken_back_does_not_claim_the_guest_of_today) {
  command_is(fmt::format("{} | python3 {} {} {} {}", receiver(), GATE, kReceived,
                         hosts_.path("open"), hosts_.path("reached")));
  Running migration = migrate();
  ASSERT_TRUE(is_held()) << migration.said();
  const std::string id = job();
  migration.send(SIGTERM);
  EXPECT_EQ(migration.wait(), 1) << migration.said();
  command_is(receiver());
  expect_says(on_source({"job", "resume", id}), 0, "web1 runs here");
  ASSERT_EQ(on_source({"destroy", "web1"}).status, 0);
  const std::string settled = "is settled: web1 was taken back, and is not here any more";
  expect_says(on_source({"job", "resume", id}), 0, settled);
  expect_says(on_source({"job", "abort", id}), 2, settled);
  expect_says(on_source({"job", "abort", "--force", id}), 2, settled);
}

TEST_P(RanThere, regression_a_job_that_is_settled_advises_no_force_where_it_came_to) {
  const std::string id = unheard();
  expect_says(on_source({"job", "resume", id}), 0, "web1 runs there");
  const auto asked = hosts_.run("b", {"job", "resume", id});
  expect_says(asked, 2, "is settled here (runs)");
  EXPECT_EQ(asked.said.find("--force"), std::string::npos) << asked.said;
}

// Nothing works on the job any more, under whatever name it is called.
TEST_P(RanThere, regression_a_job_that_was_broken_off_says_so_to_whoever_cancels_it) {
  const std::string id = unheard();
  expect_says(on_source({"job", "list"}), 0, "given-away, broken off");
  for (const std::string& what :
       {id, std::string("web1"), std::string("web1--migratedaway"), std::string("1")})
    expect_says(on_source({"job", "cancel", what}), 4, "try: ferry job resume " + id);
  EXPECT_EQ(state("b"), "running");
  expect_says(on_source({"job", "resume", id}), 0, "web1 runs there");
  expect_says(on_source({"job", "cancel", id}), 2, "is settled");
}

TEST_P(RanThere, regression_a_copy_that_is_to_go_is_named_as_it_is_called) {
  const std::string id = unheard();
  ASSERT_EQ(on_source({"job", "abort", "--force", id}).status, 0);
  const auto two = on_source({"job", "resume", id});
  expect_says(two, 4, "(web1): xl destroy ");
  const std::string domid = two.said.substr(two.said.find("xl destroy ") + 11);
  ASSERT_EQ(hosts_.run("b", {"destroy", domid.substr(0, domid.find('\n'))}).status, 0);
  hosts_.expect_one_runs("the other one is gone");
}

TEST_P(RanThere, regression_one_that_is_paused_or_gone_is_not_said_to_run) {
  const std::string id = unheard();
  setenv("FERRY_STATE_DIR", (hosts_.path("b.host") + ".jobs").c_str(), 1);
  EXPECT_TRUE(within(60, [&] { return !is_worked_on(id, false); }));
  unsetenv("FERRY_STATE_DIR");
  ASSERT_EQ(hosts_.run("b", {"save", "--pause", "web1", hosts_.path("paused.ferry")}).status, 0);
  const auto paused = on_source({"job", "abort", "--force", id});  // so that the job stays
  expect_says(paused, 0, "web1 runs here");
  const auto told = on_source({"job", "resume", id});
  EXPECT_NE(told.said.find("web1 is here, "), std::string::npos) << told.said;
  ASSERT_EQ(hosts_.run("b", {"destroy", "web1"}).status, 0);
  const auto gone = on_source({"job", "resume", id});
  EXPECT_NE(gone.said.find("web1 is not here any more"), std::string::npos) << gone.said;
}

// "web1 runs there" was all that was said.
TEST_P(RanThere, regression_one_that_is_paused_there_is_said_to_be_that_at_the_source) {
  for (const char* command : {"resume", "abort"}) {
    SCOPED_TRACE(command);
    hosts_.fresh();
    const std::string id = unheard();
    setenv("FERRY_STATE_DIR", (hosts_.path("b.host") + ".jobs").c_str(), 1);
    EXPECT_TRUE(within(60, [&] { return !is_worked_on(id, false); }));
    unsetenv("FERRY_STATE_DIR");
    ASSERT_EQ(hosts_.run("b", {"save", "--pause", "web1", hosts_.path("paused.ferry")}).status, 0);
    std::filesystem::remove(hosts_.path("paused.ferry"));
    const auto told = on_source({"job", command, id});
    expect_says(told, 0, "web1 is there, ");
    EXPECT_EQ(told.said.find("runs there"), std::string::npos) << told.said;
    EXPECT_EQ(state("a", "web1--migratedaway"), "");
    EXPECT_EQ(job(), "");
  }
}

// Its copy here ran again meanwhile: an operator hears how the other one is.
TEST_P(RanThere, regression_one_that_is_paused_there_is_not_said_to_run_beside_one_here) {
  const std::string id = unheard();
  setenv("FERRY_STATE_DIR", (hosts_.path("b.host") + ".jobs").c_str(), 1);
  EXPECT_TRUE(within(60, [&] { return !is_worked_on(id, false); }));
  unsetenv("FERRY_STATE_DIR");
  ASSERT_EQ(hosts_.run("b", {"save", "--pause", "web1", hosts_.path("paused.ferry")}).status, 0);
  ASSERT_EQ(on_source({"job", "abort", "--force", id}).status, 0);
  const auto two = on_source({"job", "resume", id});
  expect_says(two, 4, "does not run now: xl destroy ");
  EXPECT_EQ(two.said.find("runs there too"), std::string::npos) << two.said;
}

TEST_P(RanThere, regression_a_guest_that_is_gone_here_is_taken_back_by_no_force) {
  const std::string id = unheard();
  ASSERT_EQ(on_source({"destroy", "web1--migratedaway"}).status, 0);
  const auto asked = on_source({"job", "abort", "--force", id});
  expect_says(asked, 4, "try: ferry job resume --force " + id);
  expect_says(do_as_told(asked.said), 0, "web1 runs there");
}

INSTANTIATE_TEST_SUITE_P(Through, RanThere, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
