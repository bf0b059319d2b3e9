// A configuration that nested a hundred thousand deep made ferry inspect run out of stack, and one
// of a million devices made it use more memory than it may.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/audit/image_builder.h"
#include "tests/audit/run_program.h"

namespace ferry::test {
namespace {

using testing::HasSubstr;
using testing::Not;

// What a command says of an image with this configuration.
Outcome ferry(std::vector<std::string> words, const std::string& config) {
  TestGuest guest;
  guest.config.emplace().set_name("web1");
  guest.config->set_libxl_json(config);
  const Bytes image = build(guest);
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("ferry-deep-" + std::to_string(::getpid()));
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(image.data()),
             static_cast<std::streamsize>(image.size()));
  words.insert(words.begin(), FERRY_PROGRAM);
  words.push_back(path);
  const Outcome outcome = run_program(words);
  std::filesystem::remove(path);
  return outcome;
}

std::string nested(size_t depth) {
  return R"({"c_info":{"type":)" + std::string(depth, '[') + std::string(depth, ']') + "}}";
}

TEST(DeepConfig, is_not_read) {
  for (const size_t depth : {1000u, 100'000u, 130'000u})
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"inspect"}, {"inspect", "--json"}}) {
      const Outcome outcome = ferry(words, nested(depth));
      EXPECT_EQ(outcome.exit_code, 0) << depth << ": " << outcome.err;
      EXPECT_THAT(outcome.out, HasSubstr("web1"));
      EXPECT_THAT(outcome.out, Not(HasSubstr("max_vcpus")));
    }
  EXPECT_THAT(ferry({"inspect", "--json"}, nested(10)).out, HasSubstr("max_vcpus"));
  const std::string brackets = R"({"c_info":{"name":")" + std::string(100, '[') + R"(\"[\\"}})";
  EXPECT_THAT(ferry({"inspect", "--json"}, brackets).out, HasSubstr("max_vcpus")) << "in a text";
}

TEST(DeepConfig, is_not_read_if_it_is_large) {
  std::string devices = "{}";
  while (devices.size() < 5u << 20) devices += ",{}";
  const Outcome outcome = ferry({"inspect", "--json"}, R"({"disks":[)" + devices + "]}");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, Not(HasSubstr("max_vcpus")));
}

}  // namespace
}  // namespace ferry::test
