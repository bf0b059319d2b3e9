// A host's journal of a job comes back from a backup, older than what has happened since.
#include "migrate/job_journal.h"
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class OldJournal : public HeldThroughBoth {
 protected:
  // It runs there, and its source has never heard of it. The source's journal of before it was
  // given away is kept aside.
  std::string unheard() {
    for (const char* mark : {"open", "reached"}) std::filesystem::remove(hosts_.path(mark));
    command_is(fmt::format("{0} | python3 {1} {2} {3} {4} | python3 {1} {5}", receiver(), GATE,
                           kReceived, hosts_.path("open"), hosts_.path("reached"), kRunning));
    hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "2";
    Running migration = migrate();
    EXPECT_TRUE(is_held()) << migration.said();
    const std::string id = job();
    std::filesystem::copy(journal(id), aside(), std::filesystem::copy_options::overwrite_existing);
    open_gate();
    EXPECT_EQ(migration.wait(), 4) << migration.said();
    hosts_.extra_environment.erase("FERRY_HANDOVER_TIMEOUT");
    command_is(receiver());
    EXPECT_TRUE(within(60, [&] { return state("b") == "running"; }));
    return id;
  }
  // The destination's journal is what it was then.
  void comes_back_there(const std::string& id, DestinationState old) {
    setenv("FERRY_STATE_DIR", (hosts_.path("b.host") + ".jobs").c_str(), 1);
    EXPECT_TRUE(within(60, [&] { return !is_worked_on(id, false); }));
    MigrationJob job = find_job(id, false).value();
    if (old == DestinationState::receiving) job.copy.reset();
    JobJournal(job).write(old);
    unsetenv("FERRY_STATE_DIR");
  }
  std::string journal(const std::string& id) const {
    return hosts_.path("a.host.jobs") + "/" + id + ".source";
  }
  std::string aside() const { return hosts_.path("aside"); }

  static constexpr char kAway[] = "web1--migratedaway";
};

// It was resumed before the other host was asked, and ran twice.
TEST_P(OldJournal, regression_of_a_source_that_has_not_given_it_away_yet) {
  for (const char* command : {"resume", "abort"}) {
    SCOPED_TRACE(command);
    hosts_.fresh();
    const std::string id = unheard();
    std::filesystem::copy(aside(), journal(id), std::filesystem::copy_options::overwrite_existing);
    command_is("exit 1");
    expect_says(hosts_.run("a", {"job", command, id}), 4, "try: ferry job resume " + id);
    EXPECT_EQ(state("a", kAway), "suspended") << "nobody was asked";
    std::filesystem::copy(aside(), journal(id), std::filesystem::copy_options::overwrite_existing);
    command_is(receiver());
    expect_says(hosts_.run("a", {"job", command, id}), 0, "web1 runs there");
    EXPECT_EQ(state("a", kAway), "");
    hosts_.expect_one_runs("there");
  }
}

// Its name was all that told, and somebody had changed that, too.
TEST_P(OldJournal, regression_of_a_source_whose_copy_was_renamed) {
  for (const char* command : {"resume", "abort"}) {
    SCOPED_TRACE(command);
    hosts_.fresh();
    const std::string id = unheard();
    std::filesystem::copy(aside(), journal(id), std::filesystem::copy_options::overwrite_existing);
    ASSERT_EQ(hosts_.run("a", {"rename", kAway, "foo"}).status, 0);
    expect_says(hosts_.run("a", {"job", command, id}), 0, "web1 runs there");
    EXPECT_EQ(state("a", "foo"), "");
    hosts_.expect_one_runs("there");
  }
}

// It was said to be taken back if the guest surely did not run there: it had left, or was called
// something else by then.
TEST_P(OldJournal, regression_of_a_destination_that_has_none_any_more) {
  for (const bool left : {true, false}) {
    SCOPED_TRACE(left);
    hosts_.fresh();
    const std::string id = unheard(), image = hosts_.path("image");
    std::filesystem::remove(image);
    const auto meanwhile = left ? hosts_.run("b", {"save", "web1", image})
                                : hosts_.run("b", {"rename", "web1", "prod"});
    ASSERT_EQ(meanwhile.status, 0) << meanwhile.said;
    std::filesystem::remove(hosts_.path("b.host.jobs") + "/" + id + ".destination");
    const auto asked = hosts_.run("a", {"job", "resume", id});
    expect_says(asked, 4, "but the guest was let run there, or was about to be");
    expect_says(asked, 4, "only if it surely never ran there, try: ferry job abort --force " + id);
    EXPECT_EQ(asked.said.find("(prod) there is the same guest") != std::string::npos, !left)
        << asked.said;
    EXPECT_EQ(state("a", kAway), "suspended");
  }
}

// It said that the guest never ran there.
TEST_P(OldJournal, regression_of_a_destination_that_knows_no_copy_yet) {
  for (const char* command : {"resume", "abort"}) {
    SCOPED_TRACE(command);
    hosts_.fresh();
    const std::string id = unheard();
    comes_back_there(id, DestinationState::receiving);
    for (unsigned again = 0; again < 2; ++again) {
      const auto asked = hosts_.run("a", {"job", command, id});
      expect_says(asked, 4, "is the same guest");
      expect_says(asked, 4, "(domain 1)");
      EXPECT_EQ(state("a", kAway), "suspended") << "it runs twice";
      EXPECT_EQ(job(), id);
    }
    ASSERT_EQ(hosts_.run("b", {"destroy", "web1"}).status, 0);
    expect_says(hosts_.run("a", {"job", command, id}), 4, "was let run on");
    EXPECT_EQ(state("a", kAway), "suspended") << "what is here is older than its disks";
  }
}

// It said that the guest never ran there, which was elsewhere by then: two copies ran.
TEST_P(OldJournal, regression_of_a_destination_that_the_guest_has_left_since) {
  for (const DestinationState old : {DestinationState::held, DestinationState::receiving}) {
    SCOPED_TRACE(old == DestinationState::held);
    hosts_.fresh();
    const std::string id = unheard(), image = hosts_.path("image");
    std::filesystem::remove(image);
    ASSERT_EQ(hosts_.run("b", {"save", "web1", image}).status, 0);
    comes_back_there(id, old);
    for (const char* command : {"resume", "abort", "resume"}) {
      const auto asked = hosts_.run("a", {"job", command, id});
      expect_says(asked, 4, "was let run on");
      EXPECT_EQ(state("a", kAway), "suspended") << "it is in the image";
    }
    expect_says(hosts_.run("a", {"job", "resume", "--force", id}), 0, "is given up here");
    ASSERT_EQ(hosts_.run("b", {"restore", "--force", image}).status, 0);
    hosts_.expect_one_runs("from the image");
  }
}

// Files that a backup brings back leave others where they are, also over a boot; a folder that is
// brought back is not the only place.
TEST_P(OldJournal, of_a_destination_that_was_booted_or_lost_the_whole_folder) {
  for (const bool booted : {true, false}) {
    SCOPED_TRACE(booted);
    hosts_.fresh();
    const std::string id = unheard();
    comes_back_there(id, DestinationState::held);
    ASSERT_EQ(hosts_.run("b", {"destroy", "web1"}).status, 0);
    std::filesystem::remove_all(
        hosts_.path(booted ? "b.host.run" : "b.host.jobs/" + id + ".let-run"));
    expect_says(hosts_.run("a", {"job", "resume", id}), 4, "was let run on");
    EXPECT_EQ(state("a", kAway), "suspended") << "it is older than its disks";
  }
}

// It was in the way of that guest for good, and settled on no host.
TEST_P(OldJournal, regression_of_a_destination_that_the_guest_comes_to_again) {
  const std::string id = unheard();
  expect_says(hosts_.run("a", {"job", "resume", id}), 0, "web1 runs there");
  std::ofstream(hosts_.path("back.sh")) << fmt::format(
      "unset FERRY_RUN_DIR FERRY_STATE_DIR; FERRY_SIM_HOST={} exec {} receive --stdio",
      hosts_.path("a.host"), FERRY_SIM);
  const auto back =
      hosts_.run("b", {"migrate", "--quiet", "web1", "--via", "sh " + hosts_.path("back.sh")});
  ASSERT_EQ(back.status, 0) << back.said;
  comes_back_there(id, DestinationState::held);
  Running again = migrate();
  EXPECT_EQ(again.wait(), 0) << again.said();
  hosts_.expect_one_runs("there again");
}

// Nothing is here to be destroyed, and whoever gives it up needs no force.
TEST_P(OldJournal, regression_of_a_destination_where_it_is_given_up) {
  const std::string id = unheard(), image = hosts_.path("image");
  ASSERT_EQ(hosts_.run("b", {"save", "web1", image}).status, 0);
  comes_back_there(id, DestinationState::held);
  expect_says(hosts_.run("b", {"job", "abort", id}), 4, "nobody knows whether it ran");
  expect_says(hosts_.run("b", {"job", "abort", "--force", id}), 0, "is not here any more");
  expect_says(hosts_.run("a", {"job", "resume", id}), 4, "try: ferry job");
  EXPECT_EQ(state("a", kAway), "suspended");
}

INSTANTIATE_TEST_SUITE_P(Through, OldJournal, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
