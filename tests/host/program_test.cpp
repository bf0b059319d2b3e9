// ferry-host on a machine without Xen: one sentence that says what is wrong, and the right exit
// code.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace ferry {
namespace {

struct Outcome {
  int status;
  std::string output;
};

Outcome run(const std::string& arguments) {
  FILE* pipe = popen((std::string(HOST_PROGRAM) + " " + arguments + " 2>&1").c_str(), "r");
  std::string output;
  std::array<char, 4096> buffer;
  while (size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    output.append(buffer.data(), n);
  return {WEXITSTATUS(pclose(pipe)), output};
}

void expect(const std::string& arguments, int status, const std::string& text) {
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, status) << outcome.output;
  EXPECT_NE(outcome.output.find(text), std::string::npos) << outcome.output;
}

TEST(HostProgram, without_xen_says_so) {
  expect("save web1 /tmp/ferry-no-such-image", 1, "no Xen hypervisor to speak to");
  expect("resume web1", 1, "no Xen hypervisor to speak to");
  EXPECT_FALSE(std::filesystem::exists("/tmp/ferry-no-such-image"));
}

TEST(HostProgram, wrong_usage_is_exit_code_2) {
  expect("", 2, "which command? (ferry --help");
  expect("save web1", 2, "FILE");
  expect("save web1 f --keep --pause", 2, "exclude each other");
  expect("save web1 -", 2, "--keep, --pause or --destroy");
  expect("save web1 f --level 77", 2,
         "--level is \"77\", but must be auto or a number from 0 to 19");
  expect("save web1 f --track content", 2, "--track is for --live");
  expect("fly", 2, "no command fly (ferry --help");
}

TEST(HostProgram, a_bad_setting_is_told_with_its_place_before_anything_is_done) {
  const std::string wrong = " is \"77\", but must be auto or a number from 0 to 19";
  setenv("FERRY_LEVEL", "77", 1);
  expect("job list", 2, "FERRY_LEVEL" + wrong);
  unsetenv("FERRY_LEVEL");
  const auto path = std::filesystem::temp_directory_path() / "ferry-test-conf";
  std::ofstream(path) << "\nlevel = 77\n";
  setenv("FERRY_CONF", path.c_str(), 1);
  expect("job list", 2, path.string() + ", line 2, level" + wrong);
  unsetenv("FERRY_CONF");
  std::filesystem::remove(path);
}

TEST(HostProgram, a_bad_image_is_exit_code_3) {
  const auto path = std::filesystem::temp_directory_path() / "ferry-test-no-image";
  std::ofstream(path) << "this is no image";
  expect("restore " + path.string(), 3, "ferry-test-no-image");
  std::filesystem::remove(path);
}

TEST(HostProgram, a_stream_is_read_as_far_as_its_configuration_first) {
  const auto path = std::filesystem::temp_directory_path() / "ferry-test-stream";
  std::ofstream(path) << "this is no image";
  expect("restore - <" + path.string(), 3, "not a saved domain");
  std::filesystem::remove(path);
  expect("restore - </dev/null", 3, "empty");
  // What is wrong with these is that there is no Xen.
  expect("restore - <" FERRY_GOLDEN "/v1.0-bare.ferry", 1, "no Xen hypervisor");
  const auto config = std::filesystem::temp_directory_path() / "ferry-test-config";
  std::ofstream(config) << R"({"c_info": {"name": "x"}, "b_info": {"max_memkb": 99999999}})";
  const std::string own = " --config " + config.string();
  expect("restore -" + own + " <" FERRY_GOLDEN "/v1.0-bare.ferry", 1, "no Xen hypervisor");
  expect("restore -" + own + " <" FERRY_GOLDEN "/v1.0-in-xl.xlsave", 1, "no Xen hypervisor");
  std::filesystem::remove(config);
}

TEST(HostProgram, a_missing_file_is_exit_code_1) {
  expect("restore /nowhere/x", 1, "/nowhere/x");
}

TEST(HostProgram, help_has_an_example) {
  for (const char* command : {"save", "restore", "resume"})
    expect(std::string(command) + " --help", 0, "Example:");
}

}  // namespace
}  // namespace ferry
