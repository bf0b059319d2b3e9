// A save or a migration that is told to stop while its guest stands still, and the other side takes
// nothing: the guest runs on, and the program says why it ended.
#include <sys/stat.h>

#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class Stopped : public HeldMigration, public ::testing::WithParamInterface<int> {
 protected:
  void expect_cancelled(Running& program, const char* sentence) {
    ASSERT_TRUE(within(60, [&] { return state("a") == "suspended"; })) << program.said();
    ASSERT_EQ(program.wait(0.3), -1) << program.said();
    program.send(GetParam());
    EXPECT_EQ(program.wait(20), 1) << program.said();
    EXPECT_NE(program.said().find(sentence), std::string::npos)
        << program.said();  // beside the receiver's
    EXPECT_EQ(state("a"), "running");
    EXPECT_TRUE(hosts_.open_jobs("a").empty());
    EXPECT_EQ(hosts_.run("a", {"run", "web1", "--steps", "20"}).status, 0);
  }
};

TEST_P(Stopped, save_takes_the_guest_back) {
  // A pipe that nobody reads from.
  ASSERT_EQ(mkfifo(hosts_.path("nobody").c_str(), 0600), 0);
  Running reader({"sh", "-c", fmt::format("exec sleep 100 <{}", hosts_.path("nobody"))}, {},
                 hosts_.path("sleep"));
  Running save({"sh", "-c",
                fmt::format("exec {} --host {} save --quiet --destroy web1 - >{}", FERRY_SIM,
                            hosts_.path("a.host"), hosts_.path("nobody"))},
               {}, hosts_.path("save"));
  expect_cancelled(save, "ferry-sim: told to stop; web1 runs on here\n");
}

TEST_P(Stopped, migration_takes_the_guest_back_though_nobody_reads_its_image) {
  // Hands on what opens the job, and nothing more.
  command_is(fmt::format("python3 {} {} | {} --host {} receive --stdio", TAKE_LITTLE, 20000,
                         FERRY_SIM, hosts_.path("b.host")));
  Running migration = migrate();
  expect_cancelled(migration, "ferry-sim: the migration was told to stop; web1 runs on here\n");
}

INSTANTIATE_TEST_SUITE_P(By, Stopped, ::testing::Values(SIGINT, SIGTERM, SIGHUP),
                         [](const auto& of) {
                           return of.param == SIGINT    ? "SIGINT"
                                  : of.param == SIGTERM ? "SIGTERM"
                                                        : "SIGHUP";
                         });

}  // namespace
}  // namespace ferry::test
