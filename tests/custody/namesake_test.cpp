// Another guest has the name of one whose migration was broken off: whoever settles the job looks
// for the guest's own domain, says so if the name is another one's, and touches that one never.
#include "tests/custody/held_migration.h"

namespace ferry::test {
namespace {

class Namesake : public HeldThroughBoth {
 protected:
  std::string held_beside_another(const std::string& name) {
    const std::string id = held_without_go(receiver());
    on_a({"create", name, "--memory", "2"});
    return id;
  }
  // Its own copy is gone.
  std::string gone_beside_another(const std::string& name) {
    const std::string id = held_without_go(receiver());
    on_a({"destroy", kAway});
    on_a({"create", name, "--memory", "2"});
    return id;
  }
  void on_a(std::initializer_list<std::string> arguments) {
    const TwoHosts::Result result = hosts_.run("a", arguments);
    ASSERT_EQ(result.status, 0) << result.said;
  }
  TwoHosts::Result job_on_a(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "job");
    return hosts_.run("a", arguments);
  }

  static constexpr char kAway[] = "web1--migratedaway";
};

TEST_P(Namesake, regression_is_not_taken_for_a_guest_that_is_gone) {
  for (const std::string& name : {std::string("web1"), std::string(kAway)}) {
    SCOPED_TRACE(name);
    hosts_.fresh();
    const std::string id = gone_beside_another(name);
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"resume", id}, {"abort", id}, {"abort", "--force", id}}) {
      const auto asked = job_on_a(command);
      expect_says(asked, 4, "is not here any more");
      if (name == "web1") expect_says(asked, 4, "which has its name here, is another guest");
      EXPECT_EQ(state("a", name), "running");
      EXPECT_EQ(state("b", "web1--incoming"), "paused") << "the last copy is lost";
    }
    expect_says(job_on_a({"resume", "--force", id}), 0, "web1 runs there");
    EXPECT_EQ(state("a", name), "running");
    EXPECT_EQ(state("b"), "running");
  }
}

TEST_P(Namesake, is_not_destroyed_for_a_guest_that_runs_there) {
  for (const std::string& name : {std::string("web1"), std::string("web1--incoming")}) {
    hosts_.fresh();
    const std::string id = held_beside_another(name);
    expect_says(job_on_a({"resume", id}), 0, "web1 runs there");
    EXPECT_EQ(state("a", name), "running");
    EXPECT_EQ(state("a", kAway), "");
    EXPECT_EQ(state("b"), "running");
  }
}

// "web1 runs here" would have been the other one.
TEST_P(Namesake, regression_is_told_from_a_guest_that_was_taken_back) {
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"abort"}, {"abort", "--force"}}) {
    hosts_.fresh();
    std::vector<std::string> words = command;
    words.push_back(held_beside_another("web1"));
    expect_says(job_on_a(words), 0, "web1 runs here, as domain 1 (web1--migratedaway)");
    EXPECT_EQ(state("a", kAway), "running");
    EXPECT_EQ(state("a", "web1"), "running");
    on_a({"destroy", kAway});
    expect_says(job_on_a({"resume", words.back()}), 0,
                "is not here any more (domain 2, which has its name here, is another guest)");
    EXPECT_EQ(state("a", "web1"), "running");
  }
}

INSTANTIATE_TEST_SUITE_P(Through, Namesake, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Xl" : "Simulated"; });

}  // namespace
}  // namespace ferry::test
