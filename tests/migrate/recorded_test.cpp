// What a source has said once, over a command, is worth nothing to whoever has recorded it: neither
// on another host nor, later, on the same one.
#include <gtest/gtest.h>

#include <fstream>

#include <fmt/format.h>

#include "tests/migrate/two_hosts.h"

namespace ferry::test {
namespace {

constexpr char kGo[] = "3805";  // how the frame with a go begins, in hex

// With the simulated host's own way of taking a guest, and with xl's.
class Recorded : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      hosts_.extra_environment["FERRY_SIM_XL"] = "1";
      hosts_.extra_environment["FERRY_XL"] = FAKE_XL_PROGRAM;
    }
    hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "2";
    hosts_.fresh();
  }

  std::string receiver(const std::string& host) const {
    return fmt::format("FERRY_SIM_HOST={0} {1} receive --stdio", hosts_.path(host + ".host"),
                       FERRY_SIM);
  }
  // A command that records what the source says; it may get lost on its way to the other host.
  void via(const std::string& recording, const std::string& lost_from = {}) {
    std::string command = fmt::format("tee {}", hosts_.path(recording));
    if (!lost_from.empty()) command += fmt::format(" | python3 {} {}", GATE, lost_from);
    std::ofstream(hosts_.path("via.sh")) << command << " | " << receiver("b") << "\n";
  }
  TwoHosts::Result migrate() {
    return hosts_.run("a", {"migrate", "--quiet", "web1", "--via", "sh " + hosts_.path("via.sh")});
  }
  // Says it again to another receiver, and what that one says for people.
  std::string replay(const std::string& host, const std::string& recording) {
    std::map<std::string, std::string> environment = hosts_.extra_environment;
    environment["FERRY_CONF"] = "/dev/null";
    Running again(
        {"sh", "-c", fmt::format("{} <{} >/dev/null", receiver(host), hosts_.path(recording))},
        environment, hosts_.path("replayed"));
    EXPECT_NE(again.wait(), -1);
    return again.said();
  }

  TwoHosts hosts_;
};

TEST_P(Recorded, migration_starts_nothing_on_a_third_host) {
  via("recording");
  const TwoHosts::Result moved = migrate();
  ASSERT_EQ(moved.status, 0) << moved.said;
  ASSERT_TRUE(hosts_.runs_on("b"));
  ASSERT_EQ(hosts_.run("c", {"create", "other", "--memory", "2"}).status, 0);
  const std::string said = replay("c", "recording");
  EXPECT_FALSE(hosts_.runs_on("c")) << said;
  EXPECT_NE(said.find("recorded"), std::string::npos) << said;
  const std::string list = hosts_.run("c", {"list"}).said;
  EXPECT_EQ(list.find("web1"), std::string::npos) << "something is left of it: " << list;
  EXPECT_TRUE(hosts_.open_jobs("c").empty());
}

// Its go never reached the other host, and the guest was taken back since.
TEST_P(Recorded, go_starts_nothing_on_its_own_host_later) {
  via("first", kGo);
  TwoHosts::Result broken = migrate();
  ASSERT_EQ(broken.status, 4) << broken.said;
  const std::vector<std::string> jobs = hosts_.open_jobs("a");
  ASSERT_EQ(jobs.size(), 1u);
  via("second", kGo);
  broken = hosts_.run("a", {"job", "resume", jobs[0]});
  ASSERT_EQ(broken.status, 4) << broken.said;
  ASSERT_EQ(hosts_.run("a", {"job", "abort", "--force", jobs[0]}).status, 0);
  ASSERT_TRUE(hosts_.runs_on("a"));
  const std::string said = replay("b", "second");
  EXPECT_FALSE(hosts_.runs_on("b")) << said;
  hosts_.expect_one_runs("replayed");
}

INSTANTIATE_TEST_SUITE_P(With, Recorded, ::testing::Values(false, true),
                         [](const auto& of) { return of.param ? "Xl" : "SimulatedHost"; });

}  // namespace
}  // namespace ferry::test
