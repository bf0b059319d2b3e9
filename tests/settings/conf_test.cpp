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
    unsetenv("FERRY_TRACK");
    setenv("FERRY_CONF", path().c_str(), 1);
  }
  void TearDown() override {
    unsetenv("FERRY_TRACK");
    unsetenv("FERRY_CONF");
  }
  std::string path() const { return folder_.path("ferry.conf"); }
  Settings read(const std::string& text) {
    std::ofstream(path()) << text;
    return read_settings();
  }

  TestFolder folder_;
};

TEST_F(Conf, sets_what_the_environment_does_not) {
  setenv("FERRY_TRACK", "logdirty", 1);
  const Settings settings = read(
      "# as we like it\n"
      "\n"
      "level = 5   # fast disks\n"
      "  xl=\"/opt/xen/bin/xl\"\t# ours\n"
      "receive_from = 'host1.example, host2.example'\n"
      "track = content\n");
  EXPECT_EQ(settings.get<"level">(), 5u);
  EXPECT_EQ(settings.get<"xl">(), "/opt/xen/bin/xl");
  EXPECT_EQ(settings.find<"receive_from">(),
            (std::vector<std::string>{"host1.example", "host2.example"}));
  EXPECT_EQ(settings.get<"track">(), "logdirty");
  EXPECT_EQ(std::getenv("FERRY_LEVEL"), nullptr);
}

// The file that is installed, with nothing left out by a comment.
TEST_F(Conf, as_it_is_installed_shows_every_setting_and_its_default) {
  std::ifstream file(INSTALLED_CONF);
  ASSERT_TRUE(file);
  std::string all;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with('#') && !line.starts_with("# ")) all += line.substr(1) + "\n";
  const Settings settings = read(all);
  for (const Setting& setting : kSettings) {
    if (setting.user == User::helper) continue;
    const std::string* text = settings.text_of(setting);
    ASSERT_NE(text, nullptr) << setting.name;
    if (!setting.standard.empty()) {
      EXPECT_EQ(*text, setting.standard) << setting.name;
    }
  }
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
  EXPECT_EQ(sentence("xl = \"a\" b\n"), path() + ", line 1, has something behind its quotes");
  EXPECT_EQ(sentence("level = 1\nlevel = 2\n"), path() + ", line 2, gives level a second time");
  EXPECT_EQ(sentence("events_fd = 1\n"),
            path() + ", line 1, names \"events_fd\", which is no setting of ferry");
}

TEST_F(Conf, one_that_was_named_has_to_be_there) {
  EXPECT_THROW(read_conf(), Error);
  unsetenv("FERRY_CONF");
  read_conf();
}

}  // namespace
}  // namespace ferry
