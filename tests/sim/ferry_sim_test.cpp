// ferry-sim by hand: a guest lives in a host's file from command to command, is saved, and goes on
// on this host and on another one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

namespace ferry {
namespace {

class FerrySim : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = std::filesystem::temp_directory_path() / "ferry-sim-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Expects that exit status; what the command printed. before: of the shell's, in front of it.
  std::string run(int status, const std::string& arguments, const std::string& before = "") {
    const std::string line =
        "cd " + folder_ + "; " + before + " " FERRY_SIM " " + arguments + " 2>&1";
    FILE* pipe = popen(line.c_str(), "r");
    std::string output;
    std::array<char, 4096> buffer;
    while (size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
      output.append(buffer.data(), n);
    const int ended = pclose(pipe);
    EXPECT_TRUE(WIFEXITED(ended) && WEXITSTATUS(ended) == status) << arguments << "\n" << output;
    return output;
  }
  static std::string after(const std::string& output, const std::string& words) {
    const size_t at = output.find(words);
    EXPECT_NE(at, std::string::npos) << output;
    return at == std::string::npos ? "" : output.substr(at + words.size(), 16);
  }
  std::string folder_;
};

TEST_F(FerrySim, a_guest_goes_on_from_command_to_command_and_from_host_to_host) {
  run(0, "create web1 --memory 8");
  EXPECT_NE(run(0, "run web1 --steps 50").find("step 0 to 50"), std::string::npos);
  EXPECT_NE(run(0, "save web1 web1.ferry").find("saved web1 to web1.ferry"), std::string::npos);
  EXPECT_EQ(run(0, "list").find("web1"), std::string::npos);
  run(0, "audit web1.ferry");
  struct stat image = {};
  ASSERT_EQ(stat((folder_ + "/web1.ferry").c_str(), &image), 0);
  EXPECT_EQ(image.st_mode & 0777, 0600u);

  run(0, "restore web1.ferry");
  const std::string here = run(0, "run web1 --steps 50");
  EXPECT_NE(here.find("step 50 to 100"), std::string::npos);
  run(0, "--host other restore web1.ferry");
  const std::string there = run(0, "--host other run web1 --steps 50");
  EXPECT_EQ(after(there, "checksum "), after(here, "checksum "));
}

TEST_F(FerrySim, a_guest_that_is_kept_runs_on_and_one_that_is_paused_does_not) {
  run(0, "create web1 --memory 8 --tree");
  run(0, "save --keep web1 a.ferry");
  EXPECT_NE(run(0, "run web1 --steps 20").find("step 0 to 20"), std::string::npos);
  run(0, "save --pause web1 b.ferry");
  EXPECT_NE(run(1, "run web1").find("it is paused (ferry-sim unpause"), std::string::npos);
  EXPECT_NE(run(1, "restore a.ferry").find("is here, paused,"), std::string::npos);
  run(0, "unpause web1");
  EXPECT_NE(run(0, "run web1 --steps 20").find("step 20 to 40"), std::string::npos);
  EXPECT_NE(run(1, "restore a.ferry").find("still runs here"), std::string::npos);
  EXPECT_NE(run(1, "restore --force a.ferry").find("a domain web1"), std::string::npos);
  run(2, "restore --force --name " + std::string(256, 'x') + " a.ferry");
  EXPECT_EQ(run(0, "list").find("xxx"), std::string::npos);
  run(0, "restore --force --name twin a.ferry");
  EXPECT_NE(run(0, "run twin --steps 20").find("step 0 to 20"), std::string::npos);
  run(0, "save --keep twin b.ferry");  // by its own uuid
  run(0, "destroy twin");
  EXPECT_NE(run(0, "restore b.ferry").find("restored twin"), std::string::npos);
}

TEST_F(FerrySim, a_guest_is_restored_while_its_image_comes_in) {
  run(0, "create web1 --memory 8");
  run(0, "run web1 --steps 50");
  run(0, "save web1 web1.ferry");
  const std::string goes_on = "step 50 to 60";
  run(0, "restore - <web1.ferry");
  EXPECT_NE(run(0, "run web1 --steps 10").find(goes_on), std::string::npos);
  // What follows the image is somebody else's.
  run(0, "--host b restore -", "cat web1.ferry /proc/version |");
  EXPECT_NE(run(0, "--host b run web1 --steps 10").find(goes_on), std::string::npos);
  run(0, "--host c restore fifo", "mkfifo fifo; timeout 20 cat web1.ferry >fifo 2>/dev/null &");
  EXPECT_NE(run(0, "--host c run web1 --steps 10").find(goes_on), std::string::npos);

  const std::string cut = run(3, "--host d restore -", "head -c 1000000 web1.ferry |");
  EXPECT_NE(cut.find("cut off at byte 1000000"), std::string::npos) << cut;
  EXPECT_EQ(run(0, "--host d list").find("web1"), std::string::npos);
  EXPECT_NE(run(3, "--host e restore - </dev/null").find("empty"), std::string::npos);
}

TEST_F(FerrySim, a_guest_can_be_restored_with_other_memory_but_not_less_than_it_has) {
  run(0, "create web1 --memory 8");
  run(0, "save web1 web1.ferry");
  const std::string said = run(1, "restore --memory 4 web1.ferry");
  EXPECT_NE(said.find("would give it 4 MiB with this --memory: --memory 8 restores it"),
            std::string::npos)
      << said;
  run(2, "restore --memory 0 web1.ferry");
  run(0, "restore --memory 12 web1.ferry");
  run(0, "run web1 --steps 20");
}

// What libxl allows beyond the target made 1 MiB too little look like enough, and the sentence
// named another value than that.
TEST_F(FerrySim, regression_the_memory_that_is_named_is_the_least_that_is_taken) {
  run(0, "create web1 --memory 4");
  run(0, "run web1");  // by now it has some pages more
  run(0, "save web1 web1.ferry");
  for (const char* less : {"1", "3", "4"}) {
    const std::string said = run(1, std::string("restore --memory ") + less + " web1.ferry");
    EXPECT_THAT(said, testing::ContainsRegex("the guest has 4\\.[0-9]+ MiB of memory"));
    EXPECT_NE(said.find(": --memory 5 restores it"), std::string::npos) << said;
  }
  EXPECT_EQ(run(0, "list").find("web1"), std::string::npos);
  run(0, "restore --memory 5 web1.ferry");
  run(0, "save web1 web1.ferry");
  run(0, "restore web1.ferry");
  run(0, "run web1 --steps 20");
}

TEST_F(FerrySim, a_dry_run_of_a_restore_says_what_would_be_made_and_makes_nothing) {
  run(0, "create web1 --memory 8");
  run(0, "save --keep web1 web1.ferry");
  EXPECT_NE(run(1, "restore --dry-run web1.ferry").find("still runs here"), std::string::npos);
  run(0, "destroy web1");
  for (const char* from : {"web1.ferry", "- <web1.ferry"}) {
    const std::string said = run(0, std::string("restore --dry-run --paused ") + from);
    EXPECT_NE(said.find("would be restored as web1, with 8.00 MiB of memory, paused; nothing was"),
              std::string::npos)
        << said;
  }
  EXPECT_NE(run(0, "restore --dry-run --name twin web1.ferry").find("as twin"), std::string::npos);
  run(1, "restore --dry-run --memory 4 web1.ferry");
  run(3, "restore --dry-run cut.ferry", "head -c 100000 web1.ferry >cut.ferry;");
  run(2, "--host nowhere restore --dry-run web1.ferry");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/nowhere"));
  EXPECT_EQ(run(0, "list").find("web1"), std::string::npos);
  run(0, "restore web1.ferry");
}

TEST_F(FerrySim, check_alone_says_of_every_guest_what_is_in_its_way) {
  run(0, "create web1 --memory 8");
  run(0, "create web2 --memory 4");
  const std::string all = run(0, "check");
  EXPECT_THAT(all, testing::ContainsRegex("web1 +1 +8  it can be saved and migrated\n"));
  EXPECT_THAT(all, testing::ContainsRegex("web2 +2 +4  it can be saved and migrated\n"));
  EXPECT_EQ(all.find("Domain-0"), std::string::npos) << all;
  run(0, "save web1 web1.ferry");
  run(0, "restore --paused web1.ferry");  // it cannot answer
  const std::string some = run(1, "check");
  EXPECT_THAT(some, testing::ContainsRegex("web1 +3 +8  .*paused"));
  EXPECT_NE(some.find("1 of the guests here cannot be saved or migrated as it is"),
            std::string::npos)
      << some;
  EXPECT_NE(run(1, "check --json").find("\"domid\": 2"), std::string::npos);
  run(2, "check --via true");
}

TEST_F(FerrySim, a_guest_can_be_saved_twice_before_it_goes_on) {
  run(0, "create web1 --memory 8");
  run(0, "save --keep web1 a.ferry");
  run(0, "save --keep web1 b.ferry");
  EXPECT_NE(run(0, "run web1 --steps 20").find("step 0 to 20"), std::string::npos);
}

TEST_F(FerrySim, guests_of_the_same_kind_are_different_guests) {
  run(0, "create web1 --memory 8");
  run(0, "create web2 --memory 8");
  run(0, "save web1 web1.ferry");
  run(0, "restore web1.ferry");
}

TEST_F(FerrySim, mistakes_are_told_in_a_sentence) {
  EXPECT_NE(run(2, "list").find("ferry-sim create makes one"), std::string::npos);
  EXPECT_NE(run(2, "create").find("NAME is required (ferry-sim create --help"), std::string::npos);
  EXPECT_NE(run(2, "job").find("which command? (ferry-sim job --help"), std::string::npos);
  EXPECT_NE(run(2, "job stop").find("no command job stop (ferry-sim job --help"),
            std::string::npos);
  run(0, "create web1 --memory 8");
  EXPECT_NE(run(2, "create web1").find("already"), std::string::npos);
  EXPECT_NE(run(2, "create web2 --host-memory 64").find("host ferry-sim.host is there already"),
            std::string::npos);
  EXPECT_NE(run(1, "save web2 x.ferry").find("no domain \"web2\""), std::string::npos);
  EXPECT_NE(run(1, "save web1 no/folder/x").find("no/folder"), std::string::npos);
  EXPECT_NE(run(0, "run web1 --steps 5").find("step 0 to 5"), std::string::npos);
  EXPECT_NE(run(2, "create ''").find("name has 1 to 255 bytes"), std::string::npos);
  EXPECT_NE(run(2, "run web1 --steps -5").find("--steps"), std::string::npos);
  EXPECT_NE(run(1, "save --live web1 x.ferry").find("without --live"), std::string::npos);
  EXPECT_NE(run(1, "--host small create big --memory 64 --host-memory 32").find("of 64 MiB"),
            std::string::npos);
  EXPECT_EQ(run(0, "--host small list").find("running"), std::string::npos);
  EXPECT_EQ(run(0, "--host small list").find("paused"), std::string::npos);
  std::filesystem::copy_file("/proc/version", folder_ + "/noise");
  run(3, "restore noise");
}

TEST_F(FerrySim, the_demonstration_ends_well) {
  EXPECT_NE(run(0, "demo").find("still running with its\nmemory right"), std::string::npos);
}

}  // namespace
}  // namespace ferry
