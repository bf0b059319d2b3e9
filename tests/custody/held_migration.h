// A migration between two simulated hosts, over a command, that is held before an answer of the
// other host arrives.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include <fmt/format.h>

#include "io/descriptor.h"
#include "tests/migrate/two_hosts.h"

namespace ferry::test {

// Answers as frames' bodies, in hex: a handover's message.
inline constexpr char kReceived[] = "3801", kRunning[] = "3802";

class HeldMigration : public ::testing::Test {
 protected:
  void SetUp() override {
    hosts_.fresh();
    hold(kReceived);
  }

  static bool within(double seconds, const std::function<bool()>& what) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    for (;; std::this_thread::sleep_for(std::chrono::milliseconds(10))) {
      if (what()) return true;
      if (std::chrono::steady_clock::now() > until) return false;
    }
  }

  // The command that reaches the other host, as a file, so that a test can put another in its
  // place.
  void hold(const std::string& frame) {
    command_is(fmt::format("{} --host {} receive --stdio | python3 {} {} {} {}", FERRY_SIM,
                           hosts_.path("b.host"), GATE, frame, hosts_.path("open"),
                           hosts_.path("reached")));
  }
  void command_is(const std::string& command) {
    std::ofstream(hosts_.path("via.sh")) << "unset FERRY_SIM_HOST FERRY_RUN_DIR FERRY_STATE_DIR\n"
                                         << command << "\n";
  }
  Running migrate() {
    return hosts_.start("a",
                        {"migrate", "--quiet", "web1", "--via", "sh " + hosts_.path("via.sh")});
  }
  bool is_held(double seconds = 60) {
    return within(seconds, [&] { return std::filesystem::exists(hosts_.path("reached")); });
  }
  void open_gate() { std::ofstream(hosts_.path("open")) << ""; }

  // "running", "suspended", …; empty if there is none of that name.
  std::string state(const std::string& host, const std::string& name = "web1") {
    std::istringstream lines(hosts_.run(host, {"list"}).said);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(name + " ")) return line.substr(line.rfind(' ') + 1);
    return {};
  }
  std::string job() {
    const auto jobs = hosts_.open_jobs("a");
    return jobs.size() == 1 ? jobs.front() : "";
  }
  static void expect_says(const TwoHosts::Result& result, int status, const std::string& what) {
    EXPECT_EQ(result.status, status) << result.said;
    EXPECT_NE(result.said.find(what), std::string::npos) << result.said;
  }
  // It is given away, its go is lost, and nobody works on it; its copy waits. Returns the job.
  std::string held_without_go(const std::string& receiver) {
    command_is(fmt::format("python3 {} 3805 | {}", GATE, receiver));
    Running migration = migrate();
    EXPECT_EQ(migration.wait(), 4) << migration.said();
    command_is(receiver);
    EXPECT_TRUE(within(60, [&] {
      return hosts_.run("b", {"job", "list"}).said.find("held, broken off") != std::string::npos;
    }));
    EXPECT_EQ(state("b", "web1--incoming"), "paused");
    EXPECT_EQ(state("a", "web1--migratedaway"), "suspended");
    return job();
  }
  // Domain 1 of the first host, which has that name, is suspended by a save that never ends.
  // With --keep: of what was to be destroyed for a stream nobody knows whether that was read.
  void suspend_by_killed_save(const std::string& name = "web1") {
    const std::string pipe = hosts_.path("nobody-reads");
    std::filesystem::remove(pipe);
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    const Descriptor reader(open(pipe.c_str(), O_RDWR | O_CLOEXEC));
    Running save({"sh", "-c",
                  fmt::format("exec {} --host {} save --quiet --keep 1 - >{}", FERRY_SIM,
                              hosts_.path("a.host"), pipe)},
                 {}, hosts_.path("save"));
    ASSERT_TRUE(within(60, [&] { return state("a", name) == "suspended"; })) << save.said();
    save.send(SIGUSR2);
    ASSERT_NE(save.wait(), -1);
  }
  // The command that the sentence names, on the first host.
  TwoHosts::Result do_as_told(const std::string& sentence) {
    const size_t at = sentence.find("try: ferry ");
    if (at == std::string::npos) return {-1, "no command is named: " + sentence};
    std::istringstream words(sentence.substr(at + 11, sentence.find('\n', at) - at - 11));
    std::vector<std::string> arguments{std::istream_iterator<std::string>(words), {}};
    return hosts_.run("a", arguments);
  }

  TwoHosts hosts_;
};

// Through both that make a guest of what arrives: the simulated host's receiver, and xl's
// migrate-receive with a fake xl.
class HeldThroughBoth : public HeldMigration, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      hosts_.extra_environment["FERRY_SIM_XL"] = "1";
      hosts_.extra_environment["FERRY_XL"] = FAKE_XL_PROGRAM;
    }
    hosts_.fresh();
  }
  std::string receiver() const {
    return fmt::format("FERRY_SIM_HOST={} {} receive --stdio", hosts_.path("b.host"), FERRY_SIM);
  }
  // Its source is killed while that word of the other host is held back, and never hears it.
  // Returns the job.
  std::string killed_before(const char* word) {
    for (const char* mark : {"open", "reached"}) std::filesystem::remove(hosts_.path(mark));
    command_is(fmt::format("{} | python3 {} {} {} {}", receiver(), GATE, word, hosts_.path("open"),
                           hosts_.path("reached")));
    Running migration = migrate();
    EXPECT_TRUE(is_held()) << migration.said();
    const std::string id = job();
    kill(migration.pid(), SIGKILL);
    migration.wait();
    command_is(receiver());
    return id;
  }
};

}  // namespace ferry::test
