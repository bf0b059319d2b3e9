// ferry evacuate as a program, on simulated hosts that speak TLS: wherever guests end, each of them
// runs once, and the table says where.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "network/tcp.h"
#include "tests/migrate/two_hosts.h"

namespace ferry::test {
namespace {

class Evacuate : public ::testing::Test {
 protected:
  // Guests' names are those of the hosts that they are made on, and a number.
  void SetUp() override {
    // One certificate for all: every host is localhost here.
    hosts_.files_a = hosts_.files_b;
  }

  void make_host(const std::string& host, unsigned memory, unsigned guests,
                 unsigned guest_mib = 2) {
    // What makes the host stays on it.
    ASSERT_EQ(hosts_
                  .run(host, {"create", "keeper-" + host, "--memory", "2", "--host-memory",
                              std::to_string(memory)})
                  .status,
              0);
    for (unsigned i = 1; i <= guests; ++i) create(host, fmt::format("{}{}", host, i), guest_mib);
  }
  void create(const std::string& host, const std::string& name, unsigned mib) {
    const auto made = hosts_.run(host, {"create", name, "--memory", std::to_string(mib)});
    ASSERT_EQ(made.status, 0) << made.said;
    ASSERT_EQ(hosts_.run(host, {"run", name, "--steps", "10"}).status, 0);
    names_.push_back(name);
  }

  Running receiver(const std::string& host) {
    ports_.emplace(host, free_port());
    Running receiver = hosts_.start(host, {"receive", "--listen", address(host)});
    for (int tries = 0; tries < 2000; ++tries) try {
        connect_tcp({"127.0.0.1", ports_[host]});
        return receiver;
      } catch (const std::exception&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    ADD_FAILURE() << "it does not listen: " << receiver.said();
    return receiver;
  }
  std::string address(const std::string& host) { return fmt::format("localhost:{}", ports_[host]); }

  std::vector<std::string> command(const std::string& from, const std::string& to,
                                   std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"evacuate", "--except", "keeper-" + from};
    if (!to.empty()) words.insert(words.end(), {"--to", to});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  TwoHosts::Result evacuate(const std::string& from, const std::string& to,
                            std::vector<std::string> more = {}) {
    return hosts_.run(from, command(from, to, std::move(more)));
  }

  // In what state the guest is there; "" if it is not.
  std::string state(const std::string& host, const std::string& name) {
    std::istringstream lines(hosts_.run(host, {"list"}).said);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(name + " ")) return line.substr(line.rfind(' ') + 1);
    return "";
  }
  bool runs_on(const std::string& host, const std::string& name) {
    return state(host, name) == "running" &&
           hosts_.run(host, {"run", name, "--steps", "5"}).status == 0;
  }
  // Each guest runs on exactly one of the hosts, its memory right, and there is no second copy.
  void expect_each_runs_once(const std::vector<std::string>& hosts) {
    for (const std::string& name : names_) {
      unsigned copies = 0, running = 0;
      for (const std::string& host : hosts) {
        copies += !state(host, name).empty() + !state(host, name + "--incoming").empty() +
                  !state(host, name + "--migratedaway").empty();
        running += runs_on(host, name);
      }
      EXPECT_EQ(copies, 1u) << name;
      EXPECT_EQ(running, 1u) << name;
    }
  }
  // "moved", "stays", … in the row of the guest.
  static bool says(const std::string& table, const std::string& name, const std::string& what) {
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(name + " ") && line.find("  " + what) != std::string::npos) return true;
    return false;
  }

  TwoHosts hosts_;
  std::map<std::string, uint16_t> ports_;
  std::vector<std::string> names_;
};

TEST_F(Evacuate, moves_every_guest_and_says_where_it_is) {
  make_host("a", 64, 5);
  make_host("b", 64, 0);
  const Running b = receiver("b");
  const auto result = evacuate("a", address("b"));
  EXPECT_EQ(result.status, 0) << result.said;
  for (const std::string& name : names_) {
    EXPECT_TRUE(says(result.said, name, "moved")) << result.said;
    EXPECT_TRUE(runs_on("b", name)) << name;
  }
  EXPECT_TRUE(says(result.said, "keeper-a", "stays")) << result.said;
  expect_each_runs_once({"a", "b"});
  EXPECT_TRUE(hosts_.open_jobs("a").empty());
  EXPECT_TRUE(hosts_.open_jobs("b").empty());
}

TEST_F(Evacuate, goes_on_when_one_guest_cannot_go) {
  make_host("a", 64, 5);
  make_host("b", 64, 0);
  ASSERT_EQ(hosts_.run("b", {"create", "a3--incoming", "--memory", "2"}).status, 0);
  const Running b = receiver("b");
  const auto result = evacuate("a", address("b"));
  EXPECT_EQ(result.status, 1) << result.said;
  EXPECT_TRUE(says(result.said, "a3", "stays")) << result.said;
  EXPECT_NE(result.said.find("it has a domain a3--incoming already"), std::string::npos);
  EXPECT_NE(result.said.find("1 guest is still here: a3"), std::string::npos) << result.said;
  ASSERT_EQ(hosts_.run("b", {"destroy", "a3--incoming"}).status, 0);
  expect_each_runs_once({"a", "b"});
  EXPECT_TRUE(runs_on("a", "a3"));
}

TEST_F(Evacuate, leaves_here_what_a_full_host_has_no_room_for) {
  make_host("a", 64, 5, 6);
  make_host("b", 32, 0);
  const Running b = receiver("b");
  const auto result = evacuate("a", address("b"), {"--parallel", "3"});
  EXPECT_EQ(result.status, 1) << result.said;
  EXPECT_NE(result.said.find("of free memory"), std::string::npos) << result.said;
  expect_each_runs_once({"a", "b"});
  unsigned moved = 0;
  for (const std::string& name : names_) {
    moved += runs_on("b", name);
    EXPECT_TRUE(says(result.said, name, runs_on("b", name) ? "moved" : "stays")) << result.said;
  }
  EXPECT_GE(moved, 2u) << result.said;
  EXPECT_LT(moved, 5u);
}

TEST_F(Evacuate, fills_the_next_host_when_one_is_full_or_cannot_be_reached) {
  make_host("a", 64, 4, 6);
  make_host("b", 32, 0);
  make_host("c", 32, 0);
  const Running b = receiver("b"), c = receiver("c");
  const std::string nobody = fmt::format("localhost:{}", free_port());
  const auto result = evacuate("a", fmt::format("{},{},{}", nobody, address("b"), address("c")));
  EXPECT_EQ(result.status, 0) << result.said;
  EXPECT_NE(result.said.find("no guest goes to " + nobody), std::string::npos) << result.said;
  expect_each_runs_once({"a", "b", "c"});
}

// Whoever is at the far end of the command writes to the same standard error.
TEST_F(Evacuate, says_what_ferry_says_and_not_what_a_command_says) {
  make_host("a", 64, 1);
  make_host("b", 64, 0);
  std::ofstream(hosts_.path("via.sh")) << fmt::format(
      "(for i in $(seq 300); do echo 'ferry-sim: a1 is well; try: beer'; sleep 0.01; done) >&2 &\n"
      "python3 {} 2a | {} --host {} receive --stdio\n",
      GATE, FERRY_SIM, hosts_.path("b.host"));
  const auto result = evacuate("a", "", {"--via", "sh " + hosts_.path("via.sh")});
  EXPECT_EQ(result.status, 1) << result.said;
  // What the command says while hosts are asked is shown as it is; in the table it has no place.
  const std::string table = result.said.substr(result.said.find("\nGuest "));
  EXPECT_NE(table.find("\na1: "), std::string::npos) << result.said;
  EXPECT_NE(table.find("the source hung up; a1 runs on here"), std::string::npos) << result.said;
  EXPECT_EQ(table.find("\na1: a1 is well"), std::string::npos) << result.said;
  EXPECT_EQ(state("a", "a1"), "running");
}

// The move itself fails, after the checks: the command of --via drops what the guest is sent in.
TEST_F(Evacuate, tries_the_next_host_after_a_move_that_failed) {
  make_host("a", 64, 2);
  make_host("b", 128, 0);
  make_host("c", 64, 0);
  const Running c = receiver("c");
  std::ofstream(hosts_.path("via.sh"))
      << fmt::format("python3 {} 2a | {} --host {} receive --stdio 2>/dev/null\n", GATE, FERRY_SIM,
                     hosts_.path("b.host"));
  const auto result = evacuate("a", address("c"), {"--via", "sh " + hosts_.path("via.sh")});
  EXPECT_EQ(result.status, 0) << result.said;
  EXPECT_NE(result.said.find("was not moved to sh "), std::string::npos) << result.said;
  for (const std::string& name : names_) EXPECT_TRUE(runs_on("c", name)) << result.said;
  expect_each_runs_once({"a", "b", "c"});
}

// Nobody ever says that the guest runs there: what to do is said, and it is in no second place.
TEST_F(Evacuate, leaves_a_guest_that_needs_the_operator_to_him) {
  make_host("a", 64, 2);
  make_host("b", 64, 0);
  hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "2";
  std::ofstream(hosts_.path("via.sh")) << fmt::format(
      "{} --host {} receive --stdio | python3 {} 3802\n", FERRY_SIM, hosts_.path("b.host"), GATE);
  const auto result =
      evacuate("a", "", {"--parallel", "1", "--via", "sh " + hosts_.path("via.sh")});
  EXPECT_EQ(result.status, 4) << result.said;
  const std::string last = result.said.substr(result.said.rfind("ferry-sim: "));
  for (const std::string& name : names_)
    EXPECT_NE(last.substr(0, last.find(": ", 11)).find(name), std::string::npos) << last;
  const size_t at = result.said.find("try: ferry job resume ");
  ASSERT_NE(at, std::string::npos) << result.said;
  for (const std::string& job : hosts_.open_jobs("a")) {
    std::ofstream(hosts_.path("via.sh"))
        << fmt::format("{} --host {} receive --stdio\n", FERRY_SIM, hosts_.path("b.host"));
    TwoHosts::Result settled;
    for (int tries = 0; tries < 100; ++tries) {
      settled = hosts_.run("a", {"job", "resume", job});
      if (settled.status == 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    EXPECT_EQ(settled.status, 0) << settled.said;
  }
  expect_each_runs_once({"a", "b"});
}

TEST_F(Evacuate, that_is_told_to_stop_starts_no_further_guest_and_leaves_none_half_way) {
  for (const int signal_number : {SIGINT, SIGTERM}) {
    const std::string from = signal_number == SIGINT ? "a" : "d";
    const std::string to = signal_number == SIGINT ? "b" : "e";
    make_host(from, 128, 5, 8);
    make_host(to, 128, 0);
    const Running there = receiver(to);
    Running command = hosts_.start(from, this->command(from, address(to), {"--parallel", "1"}));
    for (int tries = 0; tries < 2000; ++tries) {
      if (command.said().find(" goes to ") != std::string::npos) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    command.send(signal_number);
    EXPECT_EQ(command.wait(), 1) << command.said();
    EXPECT_NE(command.said().find("the evacuation was told to stop"), std::string::npos)
        << command.said();
    EXPECT_NE(command.said().find("still here"), std::string::npos) << command.said();
    EXPECT_TRUE(hosts_.open_jobs(from).empty()) << command.said();
    EXPECT_TRUE(runs_on(from, from + "5")) << command.said();
    for (int tries = 0; tries < 100 && !hosts_.open_jobs(to).empty(); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  expect_each_runs_once({"a", "b", "d", "e"});
}

TEST_F(Evacuate, that_only_checks_moves_nothing) {
  make_host("a", 64, 3, 6);
  make_host("b", 20, 0);
  const Running b = receiver("b");
  const auto result = evacuate("a", address("b"), {"--dry-run"});
  EXPECT_EQ(result.status, 1) << result.said;
  EXPECT_TRUE(says(result.said, "a1", "can go")) << result.said;
  EXPECT_TRUE(says(result.said, "a3", "cannot go")) << result.said;
  for (const std::string& name : names_) EXPECT_TRUE(runs_on("a", name));
}

// They refuse each other's guests, so those go to a third host, or stay.
TEST_F(Evacuate, towards_each_other_loses_nothing) {
  make_host("a", 64, 3);
  make_host("b", 64, 3);
  make_host("c", 128, 0);
  const Running a = receiver("a"), b = receiver("b"), c = receiver("c");
  Running one = hosts_.start("a", command("a", address("b") + "," + address("c")));
  Running other = hosts_.start("b", command("b", address("a") + "," + address("c")));
  const int status_a = one.wait(), status_b = other.wait();
  // Whoever began a moment later may have been sent a guest before.
  EXPECT_TRUE(status_a == 0 || status_a == 1) << one.said();
  EXPECT_TRUE(status_b == 0 || status_b == 1) << other.said();
  expect_each_runs_once({"a", "b", "c"});
  EXPECT_TRUE(hosts_.open_jobs("a").empty());
  EXPECT_TRUE(hosts_.open_jobs("b").empty());
  for (const auto& [host, table] :
       {std::pair<std::string, std::string>{"a", one.said()}, {"b", other.said()}})
    for (const std::string& name : names_)
      EXPECT_FALSE(says(table, name, "moved") && runs_on(host, name)) << name << "\n" << table;
}

TEST_F(Evacuate, takes_no_guest_meanwhile_and_is_alone) {
  make_host("a", 64, 1);
  make_host("b", 64, 1);
  const Running a = receiver("a");
  // Held by a destination that never answers.
  Running held = hosts_.start("a", command("a", "", {"--via", "sleep 100"}));
  TwoHosts::Result refused;
  for (int tries = 0; tries < 100; ++tries) {
    refused = hosts_.run("b", {"check", "b1", address("a")});
    if (refused.status != 0) break;
  }
  EXPECT_NE(refused.said.find("it is being emptied (ferry evacuate)"), std::string::npos)
      << refused.said;
  const auto sent = hosts_.run("b", {"migrate", "--quiet", "b1", address("a")});
  EXPECT_EQ(sent.status, 1);
  EXPECT_NE(sent.said.find("it is being emptied"), std::string::npos) << sent.said;
  const auto second = evacuate("a", address("a"));
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.said.find("is being emptied already"), std::string::npos) << second.said;
  held.send(SIGTERM);
  EXPECT_EQ(held.wait(), 1) << held.said();
  expect_each_runs_once({"a", "b"});
  EXPECT_EQ(hosts_.run("b", {"check", "b1", address("a")}).status, 0) << "it takes guests again";
}

TEST_F(Evacuate, says_in_json_what_is_where) {
  make_host("a", 64, 1);
  make_host("b", 64, 0);
  const Running b = receiver("b");
  const auto result = evacuate("a", address("b"), {"--json"});
  EXPECT_EQ(result.status, 0) << result.said;
  for (const char* text : {"\"checked_only\": false", "\"domain\": \"a1\"", "\"result\": \"moved\"",
                           "\"meant_to_stay\": true", "\"away_seconds\": 0."})
    EXPECT_NE(result.said.find(text), std::string::npos) << text << "\n" << result.said;
}

TEST_F(Evacuate, wants_to_know_where_to) {
  make_host("a", 64, 1);
  EXPECT_EQ(evacuate("a", "").status, 2);
  EXPECT_EQ(evacuate("a", "host:99999").status, 2);
  EXPECT_EQ(evacuate("a", "host", {"--parallel", "0"}).status, 2);
  EXPECT_EQ(evacuate("a", "host", {"--except", "nobody"}).status, 1);
}

}  // namespace
}  // namespace ferry::test
