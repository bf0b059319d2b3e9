// A guest is in exactly one place, whatever other commands, broken files and silent hosts come in
// between: ferry's programs on two simulated hosts.
#include "proto/record.h"
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

TEST_F(HeldMigration, ferry_resume_leaves_a_guest_that_is_being_handed_over) {
  Running migration = migrate();
  ASSERT_TRUE(is_held()) << migration.said();
  ASSERT_EQ(state("a"), "suspended");
  const TwoHosts::Result resumed = hosts_.run("a", {"resume", "web1"});
  EXPECT_EQ(resumed.status, 1) << resumed.said;
  EXPECT_EQ(state("a"), "suspended");
  open_gate();
  EXPECT_EQ(migration.wait(), 0) << migration.said();
  hosts_.expect_one_runs("resumed in the handover");
}

TEST_F(HeldMigration, ferry_resume_names_the_job_of_a_migration_that_died) {
  Running migration = migrate();
  ASSERT_TRUE(is_held());
  migration.send(SIGUSR2);
  ASSERT_NE(migration.wait(), -1);
  const std::string id = job();
  ASSERT_NE(id, "");
  const TwoHosts::Result resumed = hosts_.run("a", {"resume", "web1"});
  EXPECT_EQ(resumed.status, 4) << resumed.said;
  EXPECT_NE(resumed.said.find("ferry job resume " + id), std::string::npos) << resumed.said;
  command_is("exit 1");  // the other host is not needed for a guest that was never given away
  const TwoHosts::Result settled = do_as_told(resumed.said);
  EXPECT_EQ(settled.status, 0) << settled.said;
  EXPECT_EQ(state("a"), "running");
  EXPECT_TRUE(hosts_.open_jobs("a").empty());
}

TEST_F(HeldMigration, a_second_migration_or_save_touches_nothing) {
  Running migration = migrate();
  ASSERT_TRUE(is_held());
  for (const std::vector<std::string>& second :
       {std::vector<std::string>{"migrate", "--quiet", "web1", "--via", "exit 1"},
        {"save", "--quiet", "web1", hosts_.path("image")}}) {
    const TwoHosts::Result result = hosts_.run("a", second);
    EXPECT_EQ(result.status, 1) << result.said;
    EXPECT_NE(result.said.find("in other hands"), std::string::npos) << result.said;
    EXPECT_EQ(state("a"), "suspended") << second[0];
  }
  EXPECT_EQ(hosts_.open_jobs("a").size(), 1u);
  open_gate();
  EXPECT_EQ(migration.wait(), 0) << migration.said();
  hosts_.expect_one_runs("a second command");
}

// The save is held by whoever reads its image.
TEST_F(HeldMigration, a_migration_that_is_refused_leaves_the_guest_of_a_save_suspended) {
  const std::string image = hosts_.path("image");
  Running save(
      {"sh", "-c",
       fmt::format("{0} --host {1} save --quiet --destroy web1 - | (while ! [ -e {2} ]; do "
                   "sleep 0.02; done; cat >{3}); exit 0",
                   FERRY_SIM, hosts_.path("a.host"), hosts_.path("open"), image)},
      {}, hosts_.path("save"));
  ASSERT_TRUE(within(60, [&] { return state("a") == "suspended"; })) << save.said();
  const TwoHosts::Result refused =
      hosts_.run("a", {"migrate", "--quiet", "web1", "--via", "sh " + hosts_.path("via.sh")});
  EXPECT_EQ(refused.status, 1) << refused.said;
  EXPECT_EQ(state("a"), "suspended") << "resumed by a migration that had no say: " << refused.said;
  open_gate();
  EXPECT_EQ(save.wait(), 0) << save.said();
  EXPECT_EQ(save.said(), "");
  EXPECT_EQ(state("a"), "");
}

TEST_F(HeldMigration, a_journal_that_cannot_be_written_takes_the_guest_back) {
  Running migration = migrate();
  ASSERT_TRUE(is_held());
  // A folder has the name that the next state is written under.
  std::filesystem::create_directory(hosts_.path("a.host.jobs") + "/" + job() + ".source.new");
  open_gate();
  EXPECT_EQ(migration.wait(), 1) << migration.said();
  EXPECT_EQ(state("a"), "running") << migration.said();
  hosts_.expect_one_runs("no journal");
}

// Nobody heard that the job was open, until a save of that guest was refused for it.
TEST_F(HeldMigration, regression_a_job_that_stays_open_though_its_guest_runs_is_named) {
  Running migration = migrate();
  ASSERT_TRUE(is_held());
  const std::string id = job();
  const std::string in_the_way = hosts_.path("a.host.jobs") + "/" + id + ".source.new";
  std::filesystem::create_directory(in_the_way);
  open_gate();
  EXPECT_EQ(migration.wait(), 1) << migration.said();
  EXPECT_NE(migration.said().find("web1 runs on here; the job is still open"), std::string::npos)
      << migration.said();
  ASSERT_EQ(job(), id);
  std::filesystem::remove(in_the_way);
  expect_says(do_as_told(migration.said()), 0, "web1 runs here");
  EXPECT_EQ(job(), "");
  EXPECT_EQ(hosts_.run("a", {"save", "--keep", "web1", hosts_.path("image")}).status, 0);
}

TEST_F(HeldMigration, a_domain_of_the_name_for_guests_set_aside_is_in_nobodys_way) {
  ASSERT_EQ(hosts_.run("a", {"create", "web1--migratedaway", "--memory", "2"}).status, 0);
  open_gate();
  Running migration = migrate();
  EXPECT_EQ(migration.wait(), 0) << migration.said();
  hosts_.expect_one_runs("an older guest of the name");
  EXPECT_NE(state("a", "web1--migratedaway"), "");
}

TEST_F(HeldMigration, a_guest_whose_name_was_taken_meanwhile_says_how_to_get_it_again) {
  hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "2";
  command_is(fmt::format("python3 {} 3805 | {} --host {} receive --stdio", GATE, FERRY_SIM,
                         hosts_.path("b.host")));
  Running migration = migrate();
  ASSERT_EQ(migration.wait(), 4) << migration.said();
  ASSERT_EQ(hosts_.run("a", {"create", "web1", "--memory", "2"}).status, 0);
  const TwoHosts::Result back = hosts_.run("a", {"job", "abort", "--force", job()});
  EXPECT_EQ(back.status, 0) << back.said;
  EXPECT_EQ(state("a", "web1--migratedaway"), "running");
  const size_t at = back.said.find("try: xl rename ");
  ASSERT_NE(at, std::string::npos) << back.said;
  // As told, with the simulated host's command in xl's place.
  ASSERT_EQ(hosts_.run("a", {"destroy", "web1"}).status, 0);
  std::istringstream words(back.said.substr(at + 15));
  std::string from, to;
  words >> from >> to;
  const TwoHosts::Result renamed = hosts_.run("a", {"rename", from, to});
  EXPECT_EQ(renamed.status, 0) << renamed.said;
  hosts_.expect_one_runs("renamed");
}

// What says it in JSON would fail when the guest is gone already.
TEST_F(HeldMigration, a_name_that_no_text_can_hold_is_refused_before_the_guest_is_touched) {
  ASSERT_EQ(hosts_.run("a", {"create", "web\xff", "--memory", "2"}).status, 0);
  const TwoHosts::Result save = hosts_.run("a", {"save", "--json", "2", hosts_.path("image")});
  EXPECT_EQ(save.status, 1) << save.said;
  EXPECT_EQ(hosts_.run("a", {"run", "2", "--steps", "5"}).status, 0) << save.said;
  EXPECT_FALSE(std::filesystem::exists(hosts_.path("image")));
}

TEST_F(HeldMigration, a_guest_with_a_long_name_moves) {
  const std::string name(50, 'n');
  ASSERT_EQ(hosts_.run("a", {"create", name, "--memory", "2"}).status, 0);
  open_gate();
  const TwoHosts::Result moved =
      hosts_.run("a", {"migrate", "--quiet", name, "--via", "sh " + hosts_.path("via.sh")});
  EXPECT_EQ(moved.status, 0) << moved.said;
  EXPECT_EQ(hosts_.run("b", {"run", name, "--steps", "5"}).status, 0);
}

TEST_F(HeldMigration, one_that_makes_no_progress_gives_the_guest_back) {
  hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "2";
  Running migration = migrate();
  ASSERT_TRUE(is_held());
  EXPECT_EQ(migration.wait(40), 1) << migration.said();
  EXPECT_NE(migration.said().find("no progress for 2 s"), std::string::npos) << migration.said();
  EXPECT_EQ(state("a"), "running");
  EXPECT_TRUE(hosts_.open_jobs("a").empty());
}

TEST_F(HeldMigration, the_whole_time_has_a_limit_where_one_is_set) {
  hosts_.extra_environment["FERRY_HANDOVER_LIMIT"] = "2";
  Running migration = migrate();
  ASSERT_TRUE(is_held());
  EXPECT_EQ(migration.wait(), 1) << migration.said();
  EXPECT_NE(migration.said().find("stood still for 2 s"), std::string::npos) << migration.said();
  EXPECT_EQ(state("a"), "running");
}

TEST_F(HeldMigration, one_that_never_says_that_it_runs_is_for_the_operator) {
  hold(kRunning);
  hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "2";
  Running migration = migrate();
  ASSERT_TRUE(is_held());
  EXPECT_EQ(migration.wait(40), 4) << migration.said();
  const std::string sentence = migration.said();
  // While the other host cannot be reached it stays like that, and says so with the same code.
  command_is("exit 1");
  const TwoHosts::Result unreachable = do_as_told(sentence);
  EXPECT_EQ(unreachable.status, 4) << unreachable.said;
  open_gate();
  hold(kRunning);
  TwoHosts::Result settled;
  ASSERT_TRUE(within(60, [&] {  // the old receiver may still be leaving
    settled = do_as_told(unreachable.said);
    return settled.status == 0;
  })) << settled.said;
  hosts_.expect_one_runs("settled later");
}

TEST_F(HeldMigration, a_signal_ends_the_command_with_all_that_it_started) {
  for (const int signal_number : {SIGTERM, SIGINT}) {
    std::filesystem::remove(hosts_.path("reached"));
    Running migration = migrate();
    ASSERT_TRUE(is_held()) << migration.said();
    migration.send(signal_number);
    EXPECT_EQ(migration.wait(20), 1) << migration.said();
    EXPECT_EQ(state("a"), "running") << migration.said();
    EXPECT_TRUE(hosts_.open_jobs("a").empty());
    ASSERT_TRUE(within(20, [&] {
      return hosts_.run("b", {"destroy", "web1--incoming"}).status != 0;
    }));
  }
  hosts_.expect_one_runs("ended");
}

TEST_F(HeldMigration, a_damaged_journal_hides_no_other) {
  Running migration = migrate();
  ASSERT_TRUE(is_held());
  const std::string id = job();
  const std::string jobs = hosts_.path("a.host.jobs") + "/";
  std::ofstream(jobs + "00000000000000000000000000000000.source") << "{";
  // Regression: each of these ended every command of the host, or kept it waiting.
  std::filesystem::create_directory(jobs + "00000000000000000000000000000001.source");
  ASSERT_EQ(mkfifo((jobs + "00000000000000000000000000000002.destination").c_str(), 0600), 0);
  const TwoHosts::Result list = hosts_.run("a", {"job", "list"});
  EXPECT_EQ(list.status, 0) << list.said;
  EXPECT_NE(list.said.find(id), std::string::npos) << list.said;
  EXPECT_NE(list.said.find("is no journal of a job"), std::string::npos) << list.said;
  open_gate();
  EXPECT_EQ(migration.wait(), 0);
}

// A journal's text with the digest that it has to have.
std::string with_digest(const std::string& text) {
  const std::string before = text.substr(0, text.find(",\"digest\""));
  const std::string whole = before + "}";
  const Digest digest = digest_of(std::as_bytes(std::span(whole)));
  std::string hex;
  for (const std::byte b : digest) hex += fmt::format("{:02x}", static_cast<unsigned>(b));
  return fmt::format("{},\"digest\":\"{}\"}}", before, hex);
}

TEST_F(HeldMigration, cancel_signals_nobody_who_has_the_number_of_a_dead_process) {
  Running migration = migrate();
  ASSERT_TRUE(is_held());
  const std::string path = hosts_.path("a.host.jobs") + "/" + job() + ".source";
  std::string text;
  std::getline(std::ifstream(path), text);
  // Another process has the number by now.
  Running other({"sleep", "60"}, {}, hosts_.path("sleep"));
  const std::string pid = fmt::format("\"pid\":{}", migration.pid());
  ASSERT_NE(text.find(pid), std::string::npos) << text;
  text.replace(text.find(pid), pid.size(), fmt::format("\"pid\":{}", other.pid()));
  std::ofstream(path) << with_digest(text) << "\n";
  EXPECT_NE(hosts_.run("a", {"job", "cancel", "web1"}).status, 0);
  EXPECT_EQ(other.wait(0.5), -1) << "a stranger was ended";
  open_gate();
  EXPECT_EQ(migration.wait(), 0) << migration.said();
}

}  // namespace
}  // namespace ferry::test
