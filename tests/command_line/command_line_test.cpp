// What a command line fills in and calls, and the sentence about one that makes no sense.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command_line/command.h"
#include "error/error.h"

namespace ferry {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

// A program with one command of each sort, which notes what was called.
struct Program {
  CommandLine line{"Does things.", "prog"};
  std::string file, text = "as it was", kind;
  Words words, bases;
  int level = 0;
  unsigned threads = 1;
  uint64_t bytes = 0;
  std::optional<uint64_t> memory;
  bool quiet = false, json = false, raw = false;
  Words called;

  Program() {
    line.require_command();
    line.add_version("prog 1");
    line.callback_before_commands([this] { called.push_back("before"); });
    Command make = line.add_command("make", "Make it").footer("The last line.");
    make.add_option("FILE", file, "Where").required();
    make.add_option("--text", text, "Any words").type_name("SOME");
    make.add_option("--kind", kind, "What it is").one_of({"small", "large"});
    make.add_option("--words", words, "Many");
    make.add_option("--base", bases, "One after the other").one_value();
    make.add_option("--level", level, "How hard").in_range(0, 19);
    make.add_option("--threads", threads, "How many").in_shown_range(1u, 4u);
    make.add_option("--bytes", bytes, "How large").in_range(uint64_t{1}, UINT64_MAX);
    make.add_option("--memory", memory, "If any");
    const Option quietly = make.add_flag("--quiet", quiet, "Say nothing");
    make.add_flag("--json", json, "Say it so").excludes(quietly);
    make.add_flag("-r,--raw", raw, "As it is").needs(quietly);
    make.callback([this] { called.push_back("make"); });
    Command job = line.add_command("job", "Jobs").require_command();
    job.add_command("list", "All of them").callback([this] { called.push_back("job list"); });
  }

  // What is wrong with the line; nothing if it is right.
  std::string sentence(const Words& words_of_line) {
    try {
      line.parse(words_of_line);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::usage);
      return error.what();
    }
    return {};
  }
};

std::string sentence_about(const Words& words) {
  Program program;
  const std::string sentence = program.sentence(words);
  if (!sentence.empty()) {
    EXPECT_THAT(program.called, IsEmpty()) << sentence;
  }
  return sentence;
}

TEST(CommandLine, fills_in_options_of_each_type) {
  Program p;
  EXPECT_EQ(
      p.sentence({"make", "--text", "a b", "--kind=large", "--level", "19", "--threads", "0x4",
                  "--bytes", "18446744073709551615", "--memory", "0", "--quiet", "-r", "out"}),
      "");
  EXPECT_EQ(p.text, "a b");
  EXPECT_EQ(p.kind, "large");
  EXPECT_EQ(p.level, 19);
  EXPECT_EQ(p.threads, 4u);
  EXPECT_EQ(p.bytes, UINT64_MAX);
  EXPECT_EQ(p.memory, std::optional<uint64_t>(0));
  EXPECT_TRUE(p.quiet && p.raw && !p.json);
  EXPECT_EQ(p.file, "out");
}

TEST(CommandLine, leaves_alone_what_it_does_not_name) {
  Program p;
  EXPECT_EQ(p.sentence({"make", "out"}), "");
  EXPECT_EQ(p.text, "as it was");
  EXPECT_EQ(p.threads, 1u);
  EXPECT_FALSE(p.memory);
  EXPECT_FALSE(p.quiet);
}

TEST(CommandLine, gives_an_option_of_several_words_all_that_follow_unless_it_takes_one_each_time) {
  Program p;
  EXPECT_EQ(p.sentence({"make", "--base", "a", "out", "--base", "b", "--words", "c", "d"}), "");
  EXPECT_THAT(p.bases, ElementsAre("a", "b"));
  EXPECT_THAT(p.words, ElementsAre("c", "d"));
  EXPECT_EQ(p.file, "out");
}

TEST(CommandLine, calls_the_command_that_is_named_once_all_is_parsed) {
  Program make, list;
  EXPECT_EQ(make.sentence({"make", "out"}), "");
  EXPECT_THAT(make.called, ElementsAre("before", "make"));
  const char* const argv[] = {"/usr/bin/prog", "job", "list", nullptr};
  list.line.parse(3, argv);
  EXPECT_THAT(list.called, ElementsAre("before", "job list"));
}

TEST(CommandLine, takes_help_and_a_command_for_that_command_and_help) {
  const auto words = [](const Words& typed) {
    std::vector<const char*> argv{"/usr/bin/prog"};
    for (const std::string& word : typed) argv.push_back(word.c_str());
    return words_of(static_cast<int>(argv.size()), argv.data());
  };
  EXPECT_THAT(words({"help", "job", "list"}), ElementsAre("job", "list", "--help"));
  EXPECT_THAT(words({"help"}), ElementsAre("--help"));
  EXPECT_THAT(words({"make", "help"}), ElementsAre("make", "help")) << "a file may be called so";
  EXPECT_THAT(words({}), IsEmpty());
}

TEST(CommandLine, lets_through_what_a_command_throws) {
  CommandLine line("Does things.", "prog");
  line.add_command("fail", "Fail").callback([] { fail(Errc::io, "the disk is full"); });
  try {
    line.parse({"fail"});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::io);
    EXPECT_STREQ(error.what(), "the disk is full");
  }
}

TEST(CommandLine, hands_values_to_functions_which_may_refuse_them) {
  CommandLine line("Does things.", "prog");
  Words taken;
  Command set = line.add_command("set", "Set");
  set.add_option_for_word(
      "--one", [&](const std::string& word) { taken.push_back(word); }, "A word");
  set.add_option_for_words(
      "--many", [&](const Words& words) { taken.insert(taken.end(), words.begin(), words.end()); },
      "Words");
  set.add_option_for_word(
      "--none", [](const std::string& word) { fail(Errc::unsupported, "no {}", word); }, "Refuses");
  line.parse({"set", "--many", "b", "c", "--one", "a"});
  EXPECT_THAT(taken, testing::UnorderedElementsAre("a", "b", "c"));
  try {
    line.parse({"set", "--none", "x"});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no x");
  }
}

TEST(CommandLine, takes_from_the_environment_what_it_does_not_say) {
  const auto parsed = [](const Words& words) {
    CommandLine line("Does things.", "prog");
    std::string host = "here";
    line.add_option("--host", host, "Where").envname("COMMAND_LINE_TEST_HOST");
    line.parse(words);
    return host;
  };
  EXPECT_EQ(parsed({}), "here");
  setenv("COMMAND_LINE_TEST_HOST", "there", 1);
  EXPECT_EQ(parsed({}), "there");
  EXPECT_EQ(parsed({"--host", "elsewhere"}), "elsewhere");
  unsetenv("COMMAND_LINE_TEST_HOST");
}

TEST(CommandLine, leaves_extra_arguments_as_they_are) {
  CommandLine line("Does things.", "prog");
  Words extra;
  std::string name;
  Command other = line.add_command("other", "Another program's").leave_extra_arguments();
  other.callback([&] {
    name = other.name();
    extra = other.extra_arguments();
  });
  line.parse({"other", "a", "--no-option-of-ours", "other", "--help"});
  EXPECT_EQ(name, "other");
  EXPECT_THAT(extra, ElementsAre("a", "--no-option-of-ours", "other", "--help"));
}

TEST(UsageSentence, names_what_is_missing_or_too_much) {
  EXPECT_EQ(sentence_about({"make"}), "FILE is required (prog make --help says more)");
  EXPECT_THAT(sentence_about({"make", "out", "more"}),
              testing::AllOf(HasSubstr("more"), EndsWith(" (prog make --help says more)")));
  EXPECT_THAT(sentence_about({"make", "out", "--fast"}),
              testing::AllOf(HasSubstr("--fast"), EndsWith(" (prog make --help says more)")));
  EXPECT_THAT(sentence_about({"make", "out", "--text"}),
              testing::AllOf(HasSubstr("--text"), EndsWith(" (prog make --help says more)")));
}

TEST(UsageSentence, names_commands_that_are_missing_or_that_there_are_not) {
  EXPECT_EQ(sentence_about({}), "which command? (prog --help lists all)");
  EXPECT_EQ(sentence_about({"job"}), "which command? (prog job --help lists all)");
  EXPECT_EQ(sentence_about({"fly"}), "there is no command fly (prog --help lists all)");
  EXPECT_EQ(sentence_about({"job", "fly"}),
            "there is no command job fly (prog job --help lists all)");
  EXPECT_EQ(sentence_about({"--fast"}), "there is no option --fast (prog --help says more)");
  EXPECT_EQ(sentence_about({"job", "-x"}), "there is no option -x (prog job --help says more)");
}

TEST(UsageSentence, names_values_that_are_not_taken) {
  for (const auto& [option, value] : {std::pair{"--level", "20"},
                                      {"--level", "-1"},
                                      {"--level", "much"},
                                      {"--threads", "0"},
                                      {"--threads", "2x"},
                                      {"--bytes", "0"},
                                      {"--bytes", "much"},
                                      {"--memory", "much"},
                                      {"--kind", "middle"}})
    EXPECT_THAT(sentence_about({"make", option, value, "out"}),
                testing::AllOf(HasSubstr(option), HasSubstr(value),
                               EndsWith(" (prog make --help says more)")));
}

TEST(UsageSentence, names_options_that_exclude_or_need_each_other) {
  EXPECT_EQ(sentence_about({"make", "--json", "--quiet", "out"}),
            "--quiet excludes --json (prog make --help says more)");
  EXPECT_EQ(sentence_about({"make", "--raw", "out"}),
            "--raw requires --quiet (prog make --help says more)");
  EXPECT_EQ(sentence_about({"make", "--json", "out"}), "");
}

// Of a line that asks for help.
std::string printed(const Words& words) {
  Program program;
  testing::internal::CaptureStdout();
  EXPECT_EQ(program.sentence(words), "");
  EXPECT_THAT(program.called, testing::Not(testing::Contains("make")));
  return testing::internal::GetCapturedStdout();
}

TEST(Help, is_printed_instead_of_running_the_command) {
  const std::string whole = printed({"--help"}), make = printed({"make", "out", "--help"});
  EXPECT_THAT(whole, testing::AllOf(HasSubstr("Does things.\n"), HasSubstr("Make it\n")));
  EXPECT_THAT(make, HasSubstr("--text SOME"));
  EXPECT_THAT(make, HasSubstr("The last line.\n"));
  EXPECT_THAT(make, HasSubstr("[1 - 4]"));
  EXPECT_THAT(make, testing::Not(HasSubstr("[0 - 19]")));
  EXPECT_EQ(printed({"--version"}), "prog 1\n");
}

std::string help_of_ten_options() {
  CommandLine line("Does things.", "prog");
  std::vector<Option> options;
  bool given = false;
  for (int i = 0; i < 9; ++i)
    options.push_back(line.add_flag("--f" + std::to_string(i), given, "A flag"));
  Option last = line.add_flag("--last", given, "The last one");
  for (const size_t i : {3, 8, 0, 5, 1, 7, 2, 6, 4}) last.excludes(options[i]);
  for (const size_t i : {8, 0, 1}) last.needs(options[i]);
  testing::internal::CaptureStdout();
  line.parse({"--help"});
  return testing::internal::GetCapturedStdout();
}

// Not in that of their addresses: then --help would say something else after each change.
TEST(Help, lists_what_an_option_excludes_in_the_order_of_the_options) {
  for (int i = 0; i < 3; ++i)  // from the second time on in memory that was given back
    EXPECT_THAT(
        help_of_ten_options(),
        HasSubstr("--last Needs: --f0 --f1 --f8 Excludes: --f0 --f1 --f2 --f3 --f4 --f5 --f6 "
                  "--f7 --f8\n"));
}

}  // namespace
}  // namespace ferry
