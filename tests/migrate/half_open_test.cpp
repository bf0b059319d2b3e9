// A source that dies while the receiver does not hear of it: whoever settles the job calls again,
// the first time too, and the process that serves the dead connection makes room.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "tests/migrate/two_hosts.h"

namespace ferry::test {
namespace {

TEST(HalfOpen, link_is_no_hindrance_for_the_first_who_calls_again) {
  TwoHosts hosts;
  hosts.fresh();
  Running receiver = hosts.receiver();
  const std::string through = fmt::format("localhost:{}", free_port());
  const auto port_of = [](const std::string& address) {
    return address.substr(address.find(':') + 1);
  };
  Running cable({"python3", HALF_OPEN, port_of(through), port_of(hosts.address()), "100000"}, {},
                hosts.path("cable"));
  const auto within = [](const auto& what) {
    for (int tries = 0; tries < 300; ++tries) {
      if (what()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  };
  ASSERT_TRUE(within([&] { return !cable.said().empty(); }));
  Running migration = hosts.start("a", {"migrate", "--quiet", "web1", through});
  const auto held = [&] {
    return hosts.run("b", {"job", "list"}).said.find(" held ") != std::string::npos;
  };
  ASSERT_TRUE(within(held)) << migration.said();
  migration.send(SIGUSR2);
  ASSERT_NE(migration.wait(), -1);
  const auto jobs = hosts.open_jobs("a");
  ASSERT_EQ(jobs.size(), 1u);

  const TwoHosts::Result settled = hosts.run("a", {"job", "resume", jobs[0]});
  EXPECT_EQ(settled.status, 0) << settled.said;
  EXPECT_TRUE(within([&] { return hosts.open_jobs("b").empty(); }))
      << "the copy there was not told to go: " << settled.said << receiver.said();
  EXPECT_TRUE(hosts.open_jobs("a").empty());
  hosts.expect_one_runs("settled at once");
  EXPECT_TRUE(hosts.runs_on("a"));
}

}  // namespace
}  // namespace ferry::test
