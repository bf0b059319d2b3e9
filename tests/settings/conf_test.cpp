// ferry.conf: what it sets, what the environment has first, and how a mistake in it is told.
#include "settings/conf.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "error/error.h"
#include "tests/files/folder.h"

namespace ferry {
namespace {

class Conf : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"FERRY_LEVEL", "FERRY_XL", "FERRY_TRACK", "FERRY_RECEIVE_FROM"})
      unsetenv(name);
    setenv("FERRY_CONF", path().c_str(), 1);
  }
  void TearDown() override { SetUp(); }
  std::string path() const { return folder_.path("ferry.conf"); }
  void read(const std::string& text) {
    std::ofstream(path()) << text;
    read_conf();
  }
  static std::string value(const char* variable) {
    const char* set = std::getenv(variable);
    return set ? set : "(not set)";
  }

  TestFolder folder_;
};

TEST_F(Conf, sets_what_the_environment_does_not) {
  setenv("FERRY_TRACK", "logdirty", 1);
  read(
      "# as we like it\n"
      "\n"
      "level = 5   # fast disks\n"
      "  xl=\"/opt/xen/bin/xl\"\t# ours\n"
      "receive_from = 'host1.example, host2.example'\n"
      "track = content\n");
  EXPECT_EQ(value("FERRY_LEVEL"), "5");
  EXPECT_EQ(value("FERRY_XL"), "/opt/xen/bin/xl");
  EXPECT_EQ(value("FERRY_RECEIVE_FROM"), "host1.example, host2.example");
  EXPECT_EQ(value("FERRY_TRACK"), "logdirty");
}

TEST_F(Conf, a_mistake_is_told_with_its_line) {
  const auto sentence = [&](const char* text) -> std::string {
    try {
      read(text);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::usage);
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(sentence("level = 1\nlevle = 2\n"),
            path() + ", line 2, names \"levle\", which is no setting of ferry");
  EXPECT_EQ(sentence("level\n"), path() + ", line 1, is no setting: NAME = VALUE");
  EXPECT_EQ(sentence("xl = \"/bin/xl\n"), path() + ", line 1, has a quote that is not closed");
  EXPECT_EQ(sentence("xl = \"a\" b\n"), path() + ", line 1, has a quote that is not closed");
}

TEST_F(Conf, one_that_was_named_has_to_be_there) {
  EXPECT_THROW(read_conf(), Error);
  unsetenv("FERRY_CONF");
  read_conf();
}

TEST_F(Conf, its_names_are_in_the_handbook) {
  std::ifstream file(HANDBOOK);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  ASSERT_FALSE(text.empty());
  for (const std::string_view name : setting_names())
    EXPECT_NE(text.find(fmt::format("| `{}` |", name)), std::string::npos) << name;
}

}  // namespace
}  // namespace ferry
