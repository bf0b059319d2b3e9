// ferry migrate --via at a terminal: a command that has to ask before it reaches the other host,
// what Ctrl-C does then and later, and a command that says nothing.
#include "tests/custody/at_terminal.h"
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class Terminal : public HeldMigration {
 protected:
  void SetUp() override {
    HeldMigration::SetUp();
    hold("ffff");  // nothing
    std::ifstream through(hosts_.path("via.sh"));
    reaches_.assign(std::istreambuf_iterator<char>(through), {});
    command_is(
        "printf 'the answer? ' >/dev/tty\nread answer </dev/tty || exit 3\n"
        "[ \"$answer\" = yes ] || exit 4\n" +
        reaches_);
  }
  AtTerminal migrate_at_terminal(const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = {FERRY_SIM, "migrate", "web1", "--via",
                                        "sh " + hosts_.path("via.sh")};
    command.insert(command.end(), more.begin(), more.end());
    return {command, hosts_.environment("a")};
  }
  void expect_here() {
    EXPECT_EQ(state("a"), "running");
    EXPECT_TRUE(hosts_.open_jobs("a").empty());
    EXPECT_EQ(state("b"), "");
  }

  std::string reaches_;  // the lines that reach the other host
};

TEST_F(Terminal, a_command_that_asks_is_answered) {
  AtTerminal migration = migrate_at_terminal();
  ASSERT_TRUE(migration.shows("the answer? ")) << migration.shown();
  migration.types("yes\n");
  EXPECT_EQ(migration.wait(), 0) << migration.shown();
  hosts_.expect_one_runs("answered");
}

TEST_F(Terminal, one_that_gives_up_leaves_the_guest) {
  AtTerminal migration = migrate_at_terminal();
  ASSERT_TRUE(migration.shows("the answer? ")) << migration.shown();
  migration.types("no\n");
  EXPECT_EQ(migration.wait(), 1) << migration.shown();
  expect_here();
}

TEST_F(Terminal, ctrl_c_ends_one_that_asks) {
  AtTerminal migration = migrate_at_terminal();
  ASSERT_TRUE(migration.shows("the answer? ")) << migration.shown();
  migration.types(kCtrlC);
  EXPECT_EQ(migration.wait(20), 1) << migration.shown();
  EXPECT_NE(migration.shown().find("ferry-sim: "), std::string::npos) << migration.shown();
  expect_here();
}

TEST_F(Terminal, ctrl_z_does_not_leave_it_stopped_for_good) {
  AtTerminal migration = migrate_at_terminal();
  ASSERT_TRUE(migration.shows("the answer? ")) << migration.shown();
  migration.types(kCtrlZ);
  ASSERT_EQ(migration.wait(0.5), -1) << migration.shown();
  migration.types("yes\n");
  EXPECT_EQ(migration.wait(), 0) << migration.shown();
}

// Once the other host has answered, Ctrl-C is ferry's alone.
TEST_F(Terminal, ctrl_c_while_the_guest_stands_still_takes_it_back) {
  hold(kReceived);
  std::ifstream through(hosts_.path("via.sh"));
  const std::string reaches{std::istreambuf_iterator<char>(through), {}};
  command_is("read answer </dev/tty\n" + reaches);
  AtTerminal migration = migrate_at_terminal({"--quiet"});
  migration.types("yes\n");
  ASSERT_TRUE(is_held()) << migration.shown();
  ASSERT_EQ(state("a"), "suspended");
  migration.types(kCtrlC);
  EXPECT_EQ(migration.wait(20), 1) << migration.shown();
  EXPECT_NE(migration.shown().find("web1 runs on here"), std::string::npos) << migration.shown();
  EXPECT_EQ(state("a"), "running");
  EXPECT_TRUE(hosts_.open_jobs("a").empty());
}

TEST_F(Terminal, a_banner_on_the_channel_is_shown) {
  command_is("echo 'Welcome to host2'; cat >/dev/null");
  AtTerminal migration = migrate_at_terminal();
  EXPECT_EQ(migration.wait(), 1) << migration.shown();
  EXPECT_NE(migration.shown().find("it says: Welcome to host2"), std::string::npos)
      << migration.shown();
  expect_here();
}

TEST_F(Terminal, people_are_told_that_a_silent_command_is_waited_for_and_ctrl_c_ends_it) {
  command_is("sleep 100");
  AtTerminal migration = migrate_at_terminal();
  ASSERT_TRUE(migration.shows("waiting for the other host to answer")) << migration.shown();
  migration.types(kCtrlC);
  EXPECT_EQ(migration.wait(10), 1) << migration.shown();
  expect_here();
}

// Without a terminal: by a signal, and by ferry job cancel.
TEST_F(Terminal, a_silent_command_is_ended_at_once) {
  command_is("exec sleep 100");
  for (const int how : {SIGINT, SIGTERM, 0}) {
    Running migration =
        hosts_.start("a", {"migrate", "web1", "--via", "sh " + hosts_.path("via.sh")});
    ASSERT_TRUE(within(20, [&] {
      return hosts_.run("a", {"job", "list"}).said.find("waiting for the other host") !=
             std::string::npos;
    })) << migration.said();
    if (how != 0)
      migration.send(how);
    else
      EXPECT_EQ(hosts_.run("a", {"job", "cancel", "web1"}).status, 0);
    EXPECT_EQ(migration.wait(10), 1) << migration.said();
    EXPECT_NE(migration.said().find("told to stop before it began; web1 runs on here"),
              std::string::npos)
        << migration.said();
    expect_here();
  }
}

// Started from a shell with job control, with & at the end.
TEST_F(Terminal, a_command_that_asks_from_the_background_is_not_waited_for) {
  AtTerminal shell({"sh", "-c",
                    fmt::format("set -m; {} migrate --quiet web1 --via 'sh {}' & wait $!; echo "
                                "ended with $?",
                                FERRY_SIM, hosts_.path("via.sh"))},
                   hosts_.environment("a"));
  EXPECT_TRUE(shell.shows("ended with 1")) << shell.shown();
  EXPECT_NE(shell.shown().find("it wants to ask something"), std::string::npos) << shell.shown();
  expect_here();
}

}  // namespace
}  // namespace ferry::test
