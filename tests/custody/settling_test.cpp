// What the commands say, and with which exit code, that settle a migration which was broken off:
// where the guest runs nowhere it is for the operator, whatever went wrong.
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

constexpr char kGo[] = "3805";

class Settling : public HeldMigration {
 protected:
  void SetUp() override { hosts_.fresh(); }

  std::string receiver(const std::string& host = "b") const {
    return fmt::format("{} --host {} receive --stdio", FERRY_SIM, hosts_.path(host + ".host"));
  }
  // Suspended here, held there: the go got lost.
  std::string given_away_and_held(const std::string& to = "b") {
    command_is(fmt::format("python3 {} {} | {}", GATE, kGo, receiver(to)));
    hosts_.extra_environment["FERRY_HANDOVER_TIMEOUT"] = "1";
    Running migration = migrate();
    EXPECT_EQ(migration.wait(), 4) << migration.said();
    hosts_.extra_environment.erase("FERRY_HANDOVER_TIMEOUT");
    command_is(receiver(to));
    return only_source_job();
  }
  std::string only_source_job() const {
    for (const auto& file : std::filesystem::directory_iterator(jobs_folder()))
      if (file.path().extension() == ".source") return file.path().stem();
    return {};
  }
  std::string jobs_folder() const { return hosts_.path("a.host.jobs"); }
  std::string journal(const std::string& id) const { return jobs_folder() + "/" + id + ".source"; }
  void expect_says(const TwoHosts::Result& result, int status, const std::string& what) {
    EXPECT_EQ(result.status, status) << result.said;
    EXPECT_NE(result.said.find(what), std::string::npos) << result.said;
  }
};

TEST_F(Settling, regression_a_damaged_journal_of_the_other_side_is_in_nobodys_way) {
  const std::string id = given_away_and_held();
  std::ofstream(jobs_folder() + "/" + id + ".destination") << "no journal";
  const auto aborted = hosts_.run("a", {"job", "abort", id});
  EXPECT_EQ(aborted.status, 0) << aborted.said;
  hosts_.expect_one_runs("by the sound journal");
  EXPECT_TRUE(hosts_.runs_on("a"));
}

}  // namespace
}  // namespace ferry::test
