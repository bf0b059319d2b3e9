// Somebody unpauses a copy of which only a part has come. It is no guest, and was taken for the one
// that runs: the migration's source was told that two copies destroy its disks.
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

constexpr char kSecondChunk[] = "2a/1";

class HalfCopy : public HeldThroughBoth {
 protected:
  // A part of it is there, and runs as far as xl can tell.
  Running unpaused_half() {
    command_is(fmt::format("python3 {} {} {} {} | {}", GATE, kSecondChunk, hosts_.path("open"),
                           hosts_.path("reached"), receiver()));
    Running migration = migrate();
    EXPECT_TRUE(is_held()) << migration.said();
    EXPECT_TRUE(within(60, [&] { return state("b", kArriving) == "paused"; }));
    EXPECT_EQ(hosts_.run("b", {"unpause", kArriving}).status, 0);
    EXPECT_EQ(state("b", kArriving), "running");
    return migration;
  }
  static constexpr char kArriving[] = "web1--incoming";
};

TEST_P(HalfCopy, regression_that_somebody_unpauses_goes_with_its_source) {
  for (const char* command : {"resume", "abort"}) {
    SCOPED_TRACE(command);
    hosts_.fresh();
    for (const char* mark : {"open", "reached"}) std::filesystem::remove(hosts_.path(mark));
    Running migration = unpaused_half();
    const std::string id = job();
    kill(migration.pid(), SIGKILL);
    migration.wait();
    std::filesystem::remove(hosts_.path("reached"));  // nobody waits for more of it
    EXPECT_TRUE(within(60, [&] { return state("b", kArriving).empty(); })) << "it is kept";
    EXPECT_TRUE(hosts_.open_jobs("b").empty());
    command_is(receiver());
    const TwoHosts::Result settled = hosts_.run("a", {"job", command, id});
    expect_says(settled, 0, "web1 runs here");
    expect_says(hosts_.run("a", {"job", "resume", id}), 0, "web1 runs here");
    hosts_.expect_one_runs("the half copy is gone");
  }
}

INSTANTIATE_TEST_SUITE_P(Through, HalfCopy, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
