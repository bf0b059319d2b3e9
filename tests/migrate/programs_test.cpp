// ferry migrate and ferry receive as programs on two hosts, over TLS: what works, who is refused in
// which sentence, and that one guest runs whatever is killed.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "tests/migrate/two_hosts.h"

namespace ferry::test {
namespace {

class MigratePrograms : public ::testing::Test {
 protected:
  void SetUp() override { hosts_.fresh(); }

  TwoHosts::Result migrate(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"migrate", "--quiet", "web1", hosts_.address()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return hosts_.run("a", arguments);
  }

  // It ends with that status and that sentence, and the guest runs on at the source.
  void expect_refused(const TwoHosts::Result& result, const char* sentence, int status = 1) {
    EXPECT_EQ(result.status, status) << result.said;
    EXPECT_NE(result.said.find(sentence), std::string::npos) << result.said;
    EXPECT_EQ(std::count(result.said.begin(), result.said.end(), '\n'), 1) << result.said;
    EXPECT_TRUE(hosts_.runs_on("a"));
    EXPECT_TRUE(hosts_.open_jobs("a").empty());
  }

  TwoHosts hosts_;
};

TEST_F(MigratePrograms, move_a_guest_over_any_number_of_connections) {
  Running receiver = hosts_.receiver();
  for (const char* streams : {"1", "2", "5", "16"}) {
    const TwoHosts::Result moved = migrate({"--streams", streams});
    EXPECT_EQ(moved.status, 0) << moved.said;
    EXPECT_TRUE(hosts_.runs_on("b")) << receiver.said();
    hosts_.expect_one_runs(fmt::format("{} connections", streams));
    EXPECT_TRUE(hosts_.open_jobs("a").empty());
    EXPECT_TRUE(hosts_.open_jobs("b").empty());
    hosts_.run("b", {"destroy", "web1"});
    hosts_.fresh();
    if (::testing::Test::HasFailure()) return;
  }
}

TEST_F(MigratePrograms, say_in_json_what_was_sent) {
  Running receiver = hosts_.receiver();
  const TwoHosts::Result moved = hosts_.run("a", {"migrate", "--json", "web1", hosts_.address()});
  EXPECT_EQ(moved.status, 0) << moved.said;
  EXPECT_NE(moved.said.find("\"stream_bytes\": "), std::string::npos) << moved.said;
}

TEST_F(MigratePrograms, a_receiver_that_is_not_there_is_named) {
  expect_refused(migrate(), "cannot reach localhost:");
}

TEST_F(MigratePrograms, go_over_the_migration_network_or_not_at_all) {
  Running receiver = hosts_.receiver();
  hosts_.extra_environment["FERRY_MIGRATION_NETWORK"] = "198.51.100.0/24";
  expect_refused(migrate(), "it has no address in the migration network 198.51.100.0/24");
  hosts_.extra_environment["FERRY_MIGRATION_NETWORK"] = "198.51.100.1/24";
  expect_refused(migrate(), "migration_network is \"198.51.100.1/24\", but must be", 2);
  hosts_.extra_environment["FERRY_MIGRATION_NETWORK"] = "127.0.0.0/8";
  const TwoHosts::Result moved = migrate();
  EXPECT_EQ(moved.status, 0) << moved.said;
  EXPECT_TRUE(hosts_.runs_on("b"));
}

TEST_F(MigratePrograms, a_receiver_with_a_certificate_for_another_host_is_refused) {
  hosts_.files_b = hosts_.certificates.issue("wrong", "DNS:elsewhere.example");
  Running receiver = hosts_.receiver();
  expect_refused(migrate(), "the certificate of localhost is not accepted here: hostname mismatch");
}

TEST_F(MigratePrograms, a_source_without_a_certificate_that_counts_is_refused) {
  Running receiver = hosts_.receiver();
  const Certificates strangers;
  TlsFiles files = strangers.issue("stranger", "DNS:a.example");
  files.authority = hosts_.files_a.authority;
  hosts_.files_a = files;
  expect_refused(migrate(), "it does not accept this host's certificate");
}

TEST_F(MigratePrograms, a_source_that_is_not_on_the_list_is_refused) {
  Running receiver = hosts_.receiver({"--allow", "b.example", "--allow", "c.example"});
  expect_refused(migrate(), "guests are taken from b.example, c.example only, not from a.example");
}

TEST_F(MigratePrograms, a_source_on_the_list_is_served) {
  hosts_.extra_environment["FERRY_RECEIVE_FROM"] = "b.example, a.example";
  Running receiver = hosts_.receiver();
  EXPECT_EQ(migrate().status, 0);
  EXPECT_TRUE(hosts_.runs_on("b"));
}

TEST_F(MigratePrograms, a_key_that_others_can_read_is_refused_by_both) {
  chmod(hosts_.files_a.key.c_str(), 0640);
  chmod(hosts_.files_b.key.c_str(), 0640);
  expect_refused(migrate(), "can be read by others");
  const TwoHosts::Result receiver = hosts_.run("b", {"receive", "--listen", hosts_.address()});
  EXPECT_EQ(receiver.status, 1);
  EXPECT_NE(receiver.said.find("can be read by others"), std::string::npos) << receiver.said;
}

TEST_F(MigratePrograms, something_else_at_the_port_is_no_ferry) {
  // It takes what is sent and hangs up.
  Running other(
      {"python3", "-c",
       "import socket,sys\n"
       "h,p=sys.argv[1].split(':')\n"
       "s=socket.create_server(('127.0.0.1',int(p)))\n"
       "while True: c,_=s.accept(); c.recv(100); c.sendall(b'HTTP/1.1 400\\r\\n'); c.close()",
       hosts_.address()},
      {}, hosts_.path("other"));
  for (int tries = 0; tries < 100 && migrate().said.find("cannot reach") != std::string::npos &&
                      migrate().said.find("refused") != std::string::npos;
       ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  expect_refused(migrate(), "localhost");
}

TEST_F(MigratePrograms, a_host_without_room_says_so_when_asked_and_when_sent_to) {
  ASSERT_EQ(hosts_.run("b", {"create", "large", "--memory", "54"}).status, 0);
  Running receiver = hosts_.receiver();
  const TwoHosts::Result asked = hosts_.run("a", {"check", "web1", hosts_.address()});
  EXPECT_EQ(asked.status, 1) << asked.said;
  EXPECT_NE(asked.said.find("MiB of free memory, the guest needs"), std::string::npos)
      << asked.said;
  const TwoHosts::Result sent = migrate();
  EXPECT_NE(sent.said.find("the guest needs"), std::string::npos) << sent.said;
  expect_refused(sent, "does not take web1: ");
}

TEST_F(MigratePrograms, regression_a_host_that_cannot_keep_a_journal_says_so) {
  std::filesystem::remove_all(hosts_.path("b.host.jobs"));
  std::ofstream(hosts_.path("b.host.jobs")) << "no folder";
  Running receiver = hosts_.receiver();
  expect_refused(migrate(), "b.host.jobs");
}

TEST_F(MigratePrograms, a_host_that_has_such_a_guest_says_so_when_asked) {
  ASSERT_EQ(hosts_.run("b", {"create", "web1", "--memory", "2"}).status, 0);
  Running receiver = hosts_.receiver();
  const TwoHosts::Result asked = hosts_.run("a", {"check", "--json", "web1", hosts_.address()});
  EXPECT_EQ(asked.status, 1) << asked.said;
  EXPECT_NE(asked.said.find("it has a domain web1 already"), std::string::npos) << asked.said;
}

// What is refused when it is sent is told when it is asked, in the same words.
TEST_F(MigratePrograms, a_name_that_is_refused_is_known_when_asked) {
  Running receiver = hosts_.receiver();
  const auto expect_both = [&](const std::string& domain, const std::string& sentence) {
    const TwoHosts::Result asked = hosts_.run("a", {"check", domain, hosts_.address()});
    EXPECT_EQ(asked.status, 1) << asked.said;
    EXPECT_NE(asked.said.find(sentence), std::string::npos) << asked.said;
    const TwoHosts::Result sent = hosts_.run("a", {"migrate", "--quiet", domain, hosts_.address()});
    EXPECT_EQ(sent.status, 1) << sent.said;
    EXPECT_NE(sent.said.find(sentence), std::string::npos) << sent.said;
    EXPECT_TRUE(hosts_.open_jobs("a").empty());
  };
  ASSERT_EQ(hosts_.run("b", {"create", "web1--incoming", "--memory", "2"}).status, 0);
  expect_both("web1", "it has a domain web1--incoming already");
  ASSERT_EQ(hosts_.run("b", {"destroy", "web1--incoming"}).status, 0);

  for (const char* name : {"we/b2", "we\tb3",
                           "we\xff"
                           "b4"}) {
    ASSERT_EQ(hosts_.run("a", {"create", name, "--memory", "2"}).status, 0);
    expect_both(name, "cannot move under its name");
    ASSERT_EQ(hosts_.run("a", {"destroy", name}).status, 0);
  }

  ASSERT_EQ(hosts_.run("a", {"save", "--keep", "web1", hosts_.path("image")}).status, 0);
  ASSERT_EQ(hosts_.run("b", {"restore", "--name", "other1", hosts_.path("image")}).status, 0);
  expect_both("web1", "this very guest is here already");
}

TEST_F(MigratePrograms, a_host_with_room_would_take_the_guest) {
  Running receiver = hosts_.receiver();
  const TwoHosts::Result asked = hosts_.run("a", {"check", "web1", hosts_.address()});
  EXPECT_EQ(asked.status, 0) << asked.said;
  EXPECT_NE(asked.said.find("can be saved, and taken there"), std::string::npos) << asked.said;
  EXPECT_TRUE(hosts_.open_jobs("a").empty());
}

TEST_F(MigratePrograms, wrong_usage_is_told) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"migrate", "web1"},
                                                    {"migrate", "web1", "host", "--via", "cat"},
                                                    {"migrate", "web1", "host:99999"},
                                                    {"migrate", "web1", "host", "--streams", "17"},
                                                    {"receive", "--listen", "x:y"}}) {
    const TwoHosts::Result result = hosts_.run("a", arguments);
    EXPECT_EQ(result.status, 2) << result.said;
  }
}

TEST_F(MigratePrograms, a_receiver_takes_the_sockets_that_systemd_opened) {
  // What systemd does: a listening socket as descriptor 3, and the environment that says so.
  const std::string port = hosts_.address().substr(hosts_.address().find(':') + 1);
  hosts_.extra_environment["PORT"] = port;
  std::ofstream(hosts_.path("activate.py"))
      << "import os, socket, sys\n"
         "s = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
         "os.dup2(s.fileno(), 3)\n"
         "os.environ['LISTEN_FDS'] = '1'\n"
         "os.environ['LISTEN_PID'] = str(os.getpid())\n"
         "os.execv(sys.argv[1], sys.argv[1:])\n";
  std::map<std::string, std::string> environment = {{"PORT", port},
                                                    {"FERRY_SIM_HOST", hosts_.path("b.host")},
                                                    {"FERRY_TLS_CA", hosts_.files_b.authority},
                                                    {"FERRY_TLS_CERT", hosts_.files_b.certificate},
                                                    {"FERRY_TLS_KEY", hosts_.files_b.key}};
  Running receiver({"python3", hosts_.path("activate.py"), FERRY_SIM, "receive"}, environment,
                   hosts_.path("activated"));
  TwoHosts::Result moved;
  for (int tries = 0; tries < 200; ++tries) {
    moved = migrate();
    if (moved.said.find("cannot reach") == std::string::npos) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(moved.status, 0) << moved.said << receiver.said();
  EXPECT_NE(receiver.said().find("listening at 127.0.0.1:" + port), std::string::npos);
  EXPECT_TRUE(hosts_.runs_on("b"));
}

TEST_F(MigratePrograms, a_receiver_that_is_told_to_end_lets_its_jobs_finish) {
  Running receiver = hosts_.receiver();
  EXPECT_NE(receiver.said().find("listening at 127.0.0.1:"), std::string::npos);
  EXPECT_EQ(migrate().status, 0);
  receiver.send(SIGTERM);
  EXPECT_EQ(receiver.wait(10), 0);
  EXPECT_TRUE(hosts_.runs_on("b"));
}

// Kills one side at a random moment of a migration, and settles what is left.
void kill_and_settle(TwoHosts& hosts, bool sender, double after_ms, const std::string& when,
                     unsigned outcomes[3]) {
  hosts.fresh();
  Running receiver = hosts.receiver();
  Running migration =
      hosts.start("a", {"migrate", "--quiet", "web1", hosts.address(), "--streams", "2"});
  std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(after_ms));
  // Between two steps of the simulated machine, as it is on a host (tools/ferry-sim/kill_switch.h).
  if (sender) {
    migration.send(SIGUSR2);
  } else {
    kill(-receiver.pid(), SIGUSR2);  // the process that serves the job
    receiver.send(SIGKILL);
  }
  const int status = migration.wait(60);
  EXPECT_NE(status, -1) << when << ": it hangs";
  if (!sender) receiver = hosts.receiver();
  for (const std::string& job : hosts.open_jobs("a")) {
    TwoHosts::Result settled;
    for (int tries = 0; tries < 50; ++tries) {
      settled = hosts.run("a", {"job", "resume", job});
      if (settled.status == 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_EQ(settled.status, 0) << when << ": " << settled.said;
    ++outcomes[2];
  }
  hosts.expect_one_runs(when);
  ++outcomes[hosts.runs_on("b")];
}

class KilledPrograms : public MigratePrograms {
 protected:
  void kill_at_random(bool sender) {
    std::chrono::duration<double, std::milli> whole{};
    {
      Running receiver = hosts_.receiver();
      const auto started = std::chrono::steady_clock::now();
      ASSERT_EQ(migrate().status, 0);
      whole = std::chrono::steady_clock::now() - started;
    }
    std::minstd_rand random(sender ? 1 : 2);
    unsigned outcomes[3] = {};
    constexpr unsigned kTimes = 40;
    for (unsigned n = 0; n < kTimes && !HasFailure(); ++n) {
      const double after = whole.count() * static_cast<double>(random() % 1000) / 1000;
      kill_and_settle(hosts_, sender, after,
                      fmt::format("{} killed after {:.1f} of {:.0f} ms",
                                  sender ? "sender" : "receiver", after, whole.count()),
                      outcomes);
    }
    fmt::print("{} killed {} times: ran on here {} times, there {}; {} jobs were settled later\n",
               sender ? "sender" : "receiver", kTimes, outcomes[0], outcomes[1], outcomes[2]);
  }
};

TEST_F(KilledPrograms, leave_one_guest_when_the_sender_dies) {
  kill_at_random(true);
}

TEST_F(KilledPrograms, leave_one_guest_when_the_receiver_dies) {
  kill_at_random(false);
}

// The same where the guest comes through xl, as on a real host.
class KilledProgramsWithXl : public KilledPrograms {
 protected:
  void SetUp() override {
    hosts_.extra_environment["FERRY_SIM_XL"] = "1";
    hosts_.extra_environment["FERRY_XL"] = FAKE_XL_PROGRAM;
    KilledPrograms::SetUp();
  }
};

TEST_F(KilledProgramsWithXl, leave_one_guest_when_the_sender_dies) {
  kill_at_random(true);
}

TEST_F(KilledProgramsWithXl, leave_one_guest_when_the_receiver_dies) {
  kill_at_random(false);
}

TEST_F(KilledProgramsWithXl, tell_a_name_that_is_taken_before_the_guest_is_suspended) {
  ASSERT_EQ(hosts_.run("b", {"create", "web1", "--memory", "2"}).status, 0);
  Running receiver = hosts_.receiver();
  expect_refused(migrate(), "it has a domain web1 already");
}

}  // namespace
}  // namespace ferry::test
