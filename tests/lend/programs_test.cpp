// ferry core, ferry dmesg, ferry ps, ferry diff of guests that are not saved, by the programs
// themselves: guests of a simulated host, which stand still between two commands without being
// paused.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace ferry {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class RunningGuest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = fs::temp_directory_path() / "ferry-lend-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    run(0, "create web1 --memory 8");
    run(0, "run web1 --steps 50");
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Expects that exit status; what the command printed. after: of the shell's, behind it.
  std::string run(int status, const std::string& arguments, const std::string& after = "2>&1") {
    int ended = 0;
    std::string output = shell(fmt::format("{} {} {}", FERRY_SIM, arguments, after), &ended);
    EXPECT_TRUE(WIFEXITED(ended) && WEXITSTATUS(ended) == status)
        << arguments << " ended with " << ended << "\n"
        << output;
    return output;
  }
  // The same for some lines of the shell's, which finds the programs as $ferry and $ferry_sim.
  std::string shell(const std::string& lines, int* ended = nullptr) {
    const std::string all = fmt::format("exec 2>&1; cd {}; ferry={} ferry_sim={}\n{}", folder_,
                                        FERRY, FERRY_SIM, lines);
    FILE* pipe = popen(all.c_str(), "r");
    std::string output;
    std::array<char, 4096> buffer;
    while (size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
      output.append(buffer.data(), n);
    const int status = pclose(pipe);
    if (ended) *ended = status;
    return output;
  }
  static bool has(const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
  }
  // What the guest's memory sums up to after some more work: of itself, and of a copy of it.
  std::string goes_on() {
    const std::string output = run(0, "run web1 --steps 50");
    return output.substr(std::min(output.find("checksum "), output.size()));
  }
  std::string folder_;
};

TEST_F(RunningGuest, becomes_a_core_that_is_said_not_to_be_of_one_moment) {
  const std::string said = run(0, "core web1 web1.core");
  EXPECT_TRUE(has(said, "web1 ran on meanwhile: this is not of one moment")) << said;
  struct stat core = {};
  ASSERT_EQ(stat((folder_ + "/web1.core").c_str(), &core), 0);
  EXPECT_EQ(core.st_mode & 0777, 0600u);
  EXPECT_LT(core.st_blocks * 512, core.st_size) << "pages of zeros take no room";
  const json printed = json::parse(run(0, "core --json web1 again.core", "2>/dev/null"));
  EXPECT_EQ(printed["one_moment"], false);
  EXPECT_EQ(printed["lost_pages"], 0);
  EXPECT_EQ(printed["bytes"], core.st_size);
  EXPECT_TRUE(has(run(0, "core web1 - ", "2>&1 >piped.core"), "ran on meanwhile"));
  run(0, "list", "&& cmp web1.core piped.core && cmp web1.core again.core");
}

TEST_F(RunningGuest, is_the_core_of_its_image_but_for_registers) {
  run(0, "save --keep web1 web1.ferry");
  const json diff = json::parse(run(0, "diff --json web1.ferry web1", "2>/dev/null"));
  EXPECT_GT(diff["pages"], 1500);
  EXPECT_LT(diff["changed"], 32) << "it has only been resumed since";
  EXPECT_EQ(diff["config"].size(), 0u);
  EXPECT_EQ(diff["running"][0]["name"], "web1");
  EXPECT_EQ(diff["running"].size(), 1u);
  run(0, "run web1 --steps 200");
  const json later = json::parse(run(0, "diff --json web1.ferry web1", "2>/dev/null"));
  EXPECT_GT(later["changed"], diff["changed"]);
}

TEST_F(RunningGuest, that_is_paused_is_of_one_moment) {
  run(0, "save --pause web1 web1.ferry");
  EXPECT_EQ(json::parse(run(0, "core --json web1 web1.core", "2>/dev/null"))["one_moment"], true);
  EXPECT_FALSE(has(run(0, "core web1 web2.core"), "ran on"));
  const json diff = json::parse(run(0, "diff --json web1.ferry web1", "2>/dev/null"));
  EXPECT_EQ(diff["running"][0]["one_moment"], true);
  EXPECT_LT(diff["changed"], 32);
}

TEST_F(RunningGuest, that_is_no_linux_has_no_log_and_no_processes) {
  for (const char* command : {"dmesg web1", "ps web1", "dmesg --json web1"})
    EXPECT_TRUE(has(run(1, command), "web1: no VMCOREINFO was found")) << command;
}

TEST_F(RunningGuest, that_is_not_there_is_neither_a_file_nor_a_guest) {
  for (const char* command : {"core web2 core", "dmesg web2", "ps 77", "diff web1 web2"})
    EXPECT_TRUE(has(run(1, command), "nor can a guest of that name be read")) << command;
  EXPECT_FALSE(fs::exists(folder_ + "/core"));
  EXPECT_TRUE(has(run(1, "dmesg ./web2"), "./web2")) << "a name with a slash is a file's";
  EXPECT_EQ(run(1, "core 0 core").find("ran on"), std::string::npos);
}

TEST_F(RunningGuest, is_not_meant_where_a_file_has_the_name) {
  run(0, "save --keep web1 image");
  fs::rename(folder_ + "/image", folder_ + "/web1");
  EXPECT_FALSE(has(run(0, "core web1 core"), "ran on"));
}

TEST_F(RunningGuest, is_left_alone_whatever_becomes_of_who_reads_it) {
  run(0, "save --keep web1 web1.ferry");
  run(0, "--host other.host restore web1.ferry");
  const std::string other = run(0, "--host other.host run web1 --steps 50");
  run(0, "core web1 -", "2>/dev/null | head -c 100000 >/dev/null");
  run(1, "core web1 /dev/full");
  run(0, "core web1 core", "2>/dev/null & sleep 0.05; kill -9 $!; wait $! || true");
  EXPECT_EQ(goes_on(), other.substr(other.find("checksum ")));
}

// Somebody looks at the beginning of a core, and goes for lunch.
TEST_F(RunningGuest, can_be_destroyed_and_made_anew_under_a_reader_that_stands_still) {
  const std::string said = shell(R"(
    { $ferry_sim core web1 - 2>said; echo status $? >>said; } | {
      head -c 1000 >/dev/null; touch begun
      while [ ! -e over ]; do sleep 0.05; done; cat >/dev/null
    } &
    while [ ! -e begun ]; do sleep 0.05; done
    $ferry_sim destroy web1 >/dev/null
    for i in $(seq 600); do $ferry_sim list | grep -q web1 || break; sleep 0.1; done
    $ferry_sim list | grep web1
    $ferry_sim create web1 --memory 8
    touch over; wait; cat said)");
  EXPECT_EQ(said.rfind("created web1", 0), 0u) << "it stays, dying: " << said;
  EXPECT_TRUE(has(said, "ferry: there is no domain 1\n") ||
              has(said, "ferry: domain 1 is being destroyed\n"))
      << "by when the reader looked last: " << said;
  EXPECT_TRUE(has(said, "status 1\n")) << said;
}

TEST_F(RunningGuest, is_not_waited_for_where_a_peer_talks_nonsense_and_stays) {
  const std::string said = shell(R"(
    timeout 100 $ferry dmesg --via 'sh -c "echo hello; exec sleep 200 2>/dev/null" sh' web1; echo status $?)");
  EXPECT_TRUE(has(said, "status 1\n")) << said;
  EXPECT_TRUE(has(said, "answers that make no sense")) << said;
}

TEST_F(RunningGuest, is_lent_to_programs_only) {
  const std::string said = run(0, "lend web1", "</dev/null 2>&1");
  EXPECT_EQ(said, "") << "nobody asked";
  EXPECT_TRUE(has(run(2, "ps web1 --base web1.ferry"), "a running guest has no --base"));
}

}  // namespace
}  // namespace ferry
