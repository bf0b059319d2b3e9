// ferry migrate --via 'ssh …' with the real ssh and sshd, at a terminal. They speak through a pipe,
// with keys of their own; nothing of the machine's configuration counts.
#include <sys/stat.h>

#include "tests/custody/at_terminal.h"
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

constexpr char kPassphrase[] = "open sesame";

class Ssh : public HeldMigration {
 protected:
  void SetUp() override {
    HeldMigration::SetUp();
    mkdir("/run/sshd", 0755);  // where sshd locks itself up if we are root
    make_key("host_key", "");
    make_key("key", "");
    make_key("locked_key", kPassphrase);
    std::ofstream(hosts_.path("banner")) << "Authorized use only.\n";
    write_settings("");
  }

  void make_key(const std::string& name, const std::string& passphrase) {
    Running make({"ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", hosts_.path(name)},
                 {}, hosts_.path("ssh-keygen"));
    ASSERT_EQ(make.wait(), 0) << make.said();
    std::ifstream made(hosts_.path(name + ".pub"));
    std::string line;
    std::getline(made, line);
    std::ofstream(hosts_.path("authorized_keys"), std::ios::app) << line << "\n";
  }
  // Of both programs. more: for sshd.
  void write_settings(const std::string& more) {
    std::ofstream(hosts_.path("sshd_config"))
        << "HostKey " << hosts_.path("host_key") << "\nAuthorizedKeysFile "
        << hosts_.path("authorized_keys")
        << "\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n"
        << "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        << more;
    std::ofstream(hosts_.path("ssh_config"))
        << "Host host2\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile "
        << hosts_.path("known_hosts") << "\nGlobalKnownHostsFile none\nProxyCommand /usr/sbin/sshd "
        << "-i -f " << hosts_.path("sshd_config") << " -E " << hosts_.path("sshd_log") << "\n";
  }
  void know_the_host() {
    std::ifstream made(hosts_.path("host_key.pub"));
    std::string line;
    std::getline(made, line);
    std::ofstream(hosts_.path("known_hosts")) << "host2 " << line << "\n";
  }
  // through: what follows in the command, such as | and a filter.
  AtTerminal migrate_over_ssh(const std::string& key, const std::string& through = {}) {
    const std::string command = fmt::format("ssh -F {} -i {} host2 {} --host {} receive --stdio{}",
                                            hosts_.path("ssh_config"), hosts_.path(key), FERRY_SIM,
                                            hosts_.path("b.host"), through);
    return {{FERRY_SIM, "migrate", "--quiet", "web1", "--via", command}, hosts_.environment("a")};
  }
  void expect_here(AtTerminal& migration) { expect_here(migration, migration.wait()); }
  void expect_here(const AtTerminal& migration, int status) {
    EXPECT_EQ(status, 1) << migration.shown();
    EXPECT_EQ(state("a"), "running");
    EXPECT_TRUE(hosts_.open_jobs("a").empty());
  }
  void expect_there(AtTerminal& migration) {
    EXPECT_EQ(migration.wait(), 0) << migration.shown();
    EXPECT_TRUE(hosts_.runs_on("b")) << migration.shown();
    hosts_.expect_one_runs("over ssh");
  }
};

TEST_F(Ssh, an_unknown_host_key_that_is_accepted_moves_the_guest) {
  AtTerminal migration = migrate_over_ssh("key");
  ASSERT_TRUE(migration.shows("Are you sure you want to continue connecting")) << migration.shown();
  migration.types("yes\n");
  expect_there(migration);
}

TEST_F(Ssh, an_unknown_host_key_that_is_refused_leaves_it) {
  AtTerminal migration = migrate_over_ssh("key");
  ASSERT_TRUE(migration.shows("Are you sure you want to continue connecting")) << migration.shown();
  migration.types("no\n");
  expect_here(migration);
  EXPECT_NE(migration.shown().find("Host key verification failed"), std::string::npos)
      << migration.shown();
}

TEST_F(Ssh, a_key_with_a_passphrase_moves_the_guest) {
  know_the_host();
  AtTerminal migration = migrate_over_ssh("locked_key");
  ASSERT_TRUE(migration.shows("Enter passphrase for key")) << migration.shown();
  migration.types(std::string(kPassphrase) + "\n");
  expect_there(migration);
  EXPECT_EQ(migration.shown().find(kPassphrase), std::string::npos);
}

TEST_F(Ssh, ctrl_c_at_a_question_leaves_it) {
  know_the_host();
  AtTerminal migration = migrate_over_ssh("locked_key");
  ASSERT_TRUE(migration.shows("Enter passphrase for key")) << migration.shown();
  // ssh reads on after one that comes between its question and its reading.
  int status = -1;
  for (int tries = 0; tries < 60 && status == -1; ++tries) {
    migration.types(kCtrlC);
    status = migration.wait(1);
  }
  expect_here(migration, status);
}

TEST_F(Ssh, a_banner_is_shown_and_the_guest_moves) {
  know_the_host();
  write_settings("Banner " + hosts_.path("banner") + "\n");
  AtTerminal migration = migrate_over_ssh("key");
  expect_there(migration);
  EXPECT_NE(migration.shown().find("Authorized use only."), std::string::npos) << migration.shown();
}

TEST_F(Ssh, ctrl_c_while_it_stands_still_takes_it_back) {
  know_the_host();
  AtTerminal migration =
      migrate_over_ssh("key", fmt::format(" | python3 {} {} {} {}", GATE, kReceived,
                                          hosts_.path("open"), hosts_.path("reached")));
  ASSERT_TRUE(is_held()) << migration.shown();
  ASSERT_EQ(state("a"), "suspended");
  migration.types(kCtrlC);
  expect_here(migration);
  EXPECT_NE(migration.shown().find("web1 runs on here"), std::string::npos) << migration.shown();
}

}  // namespace
}  // namespace ferry::test
