// Every row of the table of settings, in every way in which it can be given.
#include "settings/table.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "base_pages/base_pages.h"
#include "error/error.h"
#include "host/live_settings.h"
#include "save/save.h"
#include "settings/environment.h"
#include "tests/files/folder.h"
#include "tests/settings/ways.h"
#include "tools/ferry-host/commands.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;

TEST(Table, has_every_name_variable_and_option_once) {
  std::set<std::string> names, variables, options;
  for (const Setting& setting : kSettings) {
    EXPECT_TRUE(names.insert(std::string(setting.name)).second) << setting.name;
    EXPECT_TRUE(variables.insert(variable_of(setting)).second) << setting.name;
    EXPECT_TRUE(options.insert(option_of(setting)).second) << setting.name;
    EXPECT_EQ(find_setting(setting.name), &setting);
  }
  EXPECT_EQ(find_setting("levle"), nullptr);
}

TEST(Table, says_of_every_setting_what_it_is_and_what_happens_without_it) {
  for (const Setting& setting : kSettings) {
    EXPECT_FALSE(setting.help.empty()) << setting.name;
    EXPECT_FALSE(default_of(setting).empty()) << setting.name;
    EXPECT_EQ(setting.help.find('\n'), std::string_view::npos) << setting.name;
    if (!setting.standard.empty()) {
      EXPECT_NO_THROW(check_value(setting, setting.standard, setting.name)) << setting.name;
    }
  }
}

// Calls test(way, setting, value) for those of the values that the way can give.
void try_all(std::vector<std::string> (*values)(const Setting&),
             const std::function<void(const Way&, const Setting&, const std::string&)>& test) {
  for (const Way& way : all_ways())
    for (const Setting& setting : kSettings) {
      if (!way.takes(setting)) continue;
      for (const std::string& value : values(setting)) test(way, setting, value);
    }
}

// At each end of the range.
TEST(EveryWay, takes_what_is_in_the_range) {
  try_all(good_values, [](const Way& way, const Setting& setting, const std::string& value) {
    EXPECT_EQ(way.give(setting, value), value) << way.name << ", " << setting.name;
  });
}

TEST(EveryWay, refuses_what_is_beyond_it_with_the_same_sentence) {
  try_all(bad_values, [](const Way& way, const Setting& setting, const std::string& value) {
    EXPECT_EQ(way.give(setting, value), fmt::format("{} is \"{}\", but must be {}",
                                                    way.place(setting), value, range_of(setting)))
        << way.name << ", " << setting.name;
  });
}

TEST(EveryWay, is_there_for_some_setting) {
  for (const Way& way : all_ways())
    EXPECT_TRUE(std::any_of(std::begin(kSettings), std::end(kSettings), way.takes)) << way.name;
}

std::string help_of_command(const std::string& name) {
  CommandLine line("", "settings_test");
  const host::OpenHost nobody = [] { return nullptr; };
  host::add_save_command(line, {}, nullptr);
  host::add_migrate_command(line, {}, nobody);
  host::add_estimate_command(line, {}, nobody);
  host::add_job_command(line, nobody);
  host::add_receive_command(line, {}, nobody);
  host::add_evacuate_command(line, {}, nobody, {});
  std::vector<std::string> words{name, "--help"};
  if (name == "job set") words = {"job", "set", "--help"};
  testing::internal::CaptureStdout();
  line.parse(words);
  return testing::internal::GetCapturedStdout();
}

TEST(Help, tells_of_every_option_its_range_and_its_default) {
  for (const auto& [command, name] : all_commands()) {
    const std::string help = help_of_command(name);
    for (const Setting& setting : kSettings) {
      const size_t option = help.find("  " + option_of(setting) + " ");
      EXPECT_EQ(option != std::string::npos, (setting.commands & command) != 0)
          << name << ", " << setting.name << "\n"
          << help;
      if (option == std::string::npos) continue;
      EXPECT_NE(help.find("default " + default_of(setting), option), std::string::npos) << help;
      const bool has_range = setting.kind == Kind::number || setting.kind == Kind::choice;
      EXPECT_TRUE(!has_range || help.find(range_of(setting), option) != std::string::npos) << help;
    }
  }
}

TEST(CommandLine, goes_before_what_the_command_was_added_with) {
  Settings settings;
  settings.set<"level">(5);
  settings.set<"max_rounds">(7);
  std::optional<SaveRequest> got;
  CommandLine line("", "settings_test");
  host::add_save_command(line, settings, [&](const SaveRequest& request, const ProgressCallback&) {
    got = request;
    return SaveReport{};
  });
  line.parse({"save", "--quiet", "--live", "--level", "9", "web1", "/nowhere/web1.ferry"});
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->live);
  EXPECT_EQ(got->settings.get<"level">(), 9u);
  EXPECT_EQ(got->settings.get<"max_rounds">(), 7u);
  EXPECT_EQ(got->settings.get<"max_downtime">(), 300u);
  EXPECT_FALSE(got->settings.find<"max_downtime">());
}

// They had their name, and the save failed after that: its image was withdrawn.
TEST(CommandLine, leaves_no_page_hashes_of_a_save_that_failed) {
  const TestFolder folder;
  const std::string hashes = folder.path("web1.hashes");
  CommandLine line("", "settings_test");
  bool had_their_name = false;
  const auto fails_late = [&](const SaveRequest& request, const ProgressCallback&) -> SaveReport {
    BasePages::fill(request.page_hashes.value()).finish(0, {});
    request.is_whole();
    request.counts();
    had_their_name = std::filesystem::exists(hashes);
    fail(Errc::io, "the image is not there any more");
  };
  host::add_save_command(line, {}, fails_late);
  const std::vector<std::string> words = {
      "save", "--quiet", "--keep", "--page-hashes", hashes, "web1", folder.path("web1.ferry")};
  EXPECT_THROW(line.parse(words), Error);
  EXPECT_TRUE(had_their_name);
  EXPECT_FALSE(std::filesystem::exists(hashes));
}

// A save that was killed when its image had its name, and its page hashes had not, left those of
// the image before: the next delta built upon that one, which was gone.
TEST(CommandLine, regression_no_page_hashes_of_an_older_image_stand_beside_a_newer_one) {
  const TestFolder folder;
  const std::string hashes = folder.path("web1.hashes");
  CommandLine line("", "settings_test");
  unsigned saves = 0;
  const auto save = [&](const SaveRequest& request, const ProgressCallback&) {
    BasePages::fill(request.page_hashes.value()).finish(0, {});
    request.is_whole();
    EXPECT_EQ(std::filesystem::exists(hashes), saves > 0) << "the image before still counts";
    request.about_to_count();
    EXPECT_FALSE(std::filesystem::exists(hashes));
    if (saves == 2) std::filesystem::create_directory(hashes);
    request.counts();
    ++saves;
    return SaveReport{};
  };
  host::add_save_command(line, {}, save);
  const std::vector<std::string> words = {
      "save", "--quiet", "--keep", "--page-hashes", hashes, "web1", folder.path("web1.ferry")};
  line.parse(words);
  EXPECT_TRUE(std::filesystem::is_regular_file(hashes));
  line.parse(words);
  EXPECT_TRUE(std::filesystem::is_regular_file(hashes));
  // They cannot get their name: that takes no image away, and is told.
  ::testing::internal::CaptureStderr();
  line.parse(words);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("has no page hashes"), std::string::npos);
  EXPECT_EQ(saves, 3u);
}

TEST(CommandLine, page_hashes_that_cannot_be_removed_keep_a_newer_image_from_its_name) {
  const TestFolder folder;
  const std::string hashes = folder.path("web1.hashes");
  CommandLine line("", "settings_test");
  const auto save = [&](const SaveRequest& request, const ProgressCallback&) {
    BasePages::fill(request.page_hashes.value()).finish(0, {});
    request.is_whole();
    std::filesystem::create_directory(hashes);  // nothing that unlink() takes
    request.about_to_count();
    ADD_FAILURE() << "the image would have got its name";
    return SaveReport{};
  };
  host::add_save_command(line, {}, save);
  EXPECT_THROW(line.parse({"save", "--quiet", "--keep", "--page-hashes", hashes, "web1",
                           folder.path("web1.ferry")}),
               Error);
}

TEST(CommandLine, refuses_what_is_for_live_saves_on_others) {
  for (const Setting& setting : kSettings) {
    if (!(setting.commands & kSave)) continue;
    const bool live_only = setting.user == User::live || setting.user == User::helper;
    CommandLine line("", "settings_test");
    host::add_save_command(
        line, {}, [](const SaveRequest&, const ProgressCallback&) { return SaveReport{}; });
    std::string sentence;
    try {
      line.parse({"save", "--quiet", option_of(setting), good_values(setting)[0], "web1",
                  "/nowhere/web1.ferry"});
    } catch (const Error& e) {
      sentence = e.what();
    }
    EXPECT_EQ(sentence, live_only ? option_of(setting) + " is for --live" : "") << setting.name;
  }
}

// A child gets what its parent has.
TEST(Environment, carries_all_settings) {
  Settings settings;
  for (const Setting& setting : kSettings) settings.set(setting, good_values(setting)[0], "here");
  const std::vector<std::string> variables = as_environment(settings);
  EXPECT_EQ(variables.size(), std::size(kSettings));
  const auto name = [](const std::string& v) { return v.substr(0, v.find('=')); };
  for (const std::string& v : variables)
    setenv(name(v).c_str(), v.substr(v.find('=') + 1).c_str(), 1);
  const Settings got = settings_of_environment();
  for (const std::string& v : variables) unsetenv(name(v).c_str());
  for (const Setting& setting : kSettings)
    EXPECT_EQ(*got.text_of(setting), *settings.text_of(setting)) << setting.name;
}

// Otherwise a program that is told nothing would do something else than --help says.
TEST(Defaults, are_the_engines_own) {
  const PolicyOptions policy = host::policy_of({}), own;
  EXPECT_EQ(policy.max_downtime_us, own.max_downtime_us);
  EXPECT_EQ(policy.max_rounds, own.max_rounds);
  EXPECT_EQ(policy.deadline_us, own.deadline_us);
  EXPECT_EQ(policy.on_stall, own.on_stall);
  EXPECT_EQ(host::track_of({}), LiveOptions().track);
  EXPECT_EQ(host::bytes_per_second_of({}), 0u);
  EXPECT_EQ(Settings().get<"level">(), static_cast<uint64_t>(*SaveOptions().level));
}

TEST(Meanings, of_choices_are_those_of_their_names) {
  const auto track = [](const char* name) {
    Settings settings;
    settings.set<"track">(name);
    return host::track_of(settings);
  };
  EXPECT_EQ(track("auto"), Track::automatic);
  EXPECT_EQ(track("logdirty"), Track::logdirty);
  EXPECT_EQ(track("content"), Track::content);
  const auto on_stall = [](const char* name) {
    Settings settings;
    settings.set<"on_stall">(name);
    return host::policy_of(settings).on_stall;
  };
  EXPECT_EQ(on_stall("stop"), OnStall::stop);
  EXPECT_EQ(on_stall("continue"), OnStall::keep_going);
  EXPECT_EQ(on_stall("cancel"), OnStall::cancel);
}

// A setting that is read past the table would be in no list, no range and no handbook.
TEST(Sources, leave_the_environment_to_settings) {
  unsigned files = 0;
  for (const char* folder : {"custody", "files", "host", "io", "migrate", "network", "save",
                             "restore", "sim_toolstack", "tools", "xen"})
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(SOURCES) / folder)) {
      if (entry.path().extension() != ".cpp" && entry.path().extension() != ".h") continue;
      ++files;
      std::ifstream file(entry.path());
      const std::string text((std::istreambuf_iterator<char>(file)), {});
      for (const char* call : {"getenv(", "setenv(\"FERRY_", "envname(\"FERRY_"})
        for (size_t at = text.find(call); at != std::string::npos; at = text.find(call, at + 1))
          EXPECT_EQ(text.compare(at + std::string_view(call).find('(') + 1, 11, "\"FERRY_SIM_"), 0)
              << entry.path() << ": " << text.substr(at, 40);
    }
  EXPECT_GT(files, 50u);
}

}  // namespace
}  // namespace ferry
