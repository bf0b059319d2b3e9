// Into a full disk, check, estimate, list, job list and every --help printed nothing and ended with
// 0. Those that have done something to a guest end well all the same: 1 would say that the guest is
// where it was. A word of theirs that standard error did not take did end them so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/audit/image_builder.h"
#include "tests/audit/run_program.h"
#include "tests/evidence/fake_linux.h"
#include "tests/files/folder.h"

namespace ferry::test {
namespace {

using testing::HasSubstr;
using testing::Not;

enum class Says {
  answer,   // what was asked for
  report,   // what it has done
  nothing,  // on standard output
};

struct Row {
  std::string command;  // for a shell
  Says says;
  std::string before = {};  // what has to be done first
};

const std::string kThere = "--via \"$sim --host b.host receive --stdio\"";

// In this order: each finds what those before it have left.
const std::vector<Row> kSim = {
    {"create web1 --memory 8", Says::report},
    {"run web1", Says::answer},
    {"list", Says::answer},
    {"check", Says::answer},
    {"check web1", Says::answer},
    {"check --json web1", Says::answer},
    {"estimate web1", Says::answer},
    {"estimate --json web1", Says::answer},
    {"job list", Says::answer},
    {"job list --json", Says::answer},
    {"rename web1 web2", Says::nothing},
    {"save --keep web1 web1.ferry", Says::report, "$sim rename web2 web1"},
    {"save --json web1 web1.ferry", Says::report},
    {"restore --dry-run web1.ferry", Says::answer},
    {"restore --paused web1.ferry", Says::report},
    {"unpause web1", Says::nothing, "$sim destroy web1; $sim restore --paused web1.ferry"},
    {"resume web1", Says::report,
     "$sim destroy web1; $sim restore web1.ferry; mkfifo fifo; $sim save --keep web1 fifo & "
     "exec 3<fifo; until $sim list | grep -q suspended; do sleep 0.05; done; kill -9 $!; wait"},
    {"evacuate --dry-run " + kThere, Says::answer},
    {"evacuate --dry-run --json " + kThere, Says::answer},
    {"evacuate " + kThere, Says::report},
    {"migrate --json web1 " + kThere, Says::report, "$there destroy web1; $sim restore web1.ferry"},
    {"destroy web1", Says::nothing, "$sim restore web1.ferry"},
    {"audit web1.ferry", Says::answer},
    {"inspect --json web1.ferry", Says::answer},
    {"help save", Says::answer},
};

const std::vector<Row> kImages = {
    {"audit linux", Says::answer},
    {"audit --json linux", Says::answer},
    {"audit --rules", Says::answer},
    {"inspect linux", Says::answer},
    {"inspect --json linux", Says::answer},
    {"inspect --html page linux", Says::answer},
    {"cat linux 1", Says::answer},
    {"cat --json linux 1", Says::answer},
    {"walk linux 0xffffffff81000000", Says::answer},
    {"core linux core", Says::answer},
    {"core --json linux core", Says::answer},
    {"dmesg linux", Says::answer},
    {"dmesg --json linux", Says::answer},
    {"ps linux", Says::answer},
    {"ps --json linux", Says::answer},
    {"find linux VMCOREINFO", Says::answer},
    {"diff linux linux", Says::answer},
    {"squash linux whole", Says::answer},
    {"verify .", Says::answer},
    {"verify --json .", Says::answer},
    {"convert --json web1.ferry other", Says::answer,
     "$sim create web1 --memory 8; $sim save web1 web1.ferry"},
    {"help audit", Says::answer},
    {"--version", Says::answer},
};

constexpr char kLost[] = "cannot write to standard output: No space left on device";

class LostAnswer : public ::testing::Test {
 protected:
  LostAnswer() {
    TestGuest guest;
    FakeLinux kernel(guest);
    kernel.put_log({{.text = "one"}}, 3, 10);
    kernel.put_processes({{.pid = 1, .command = "init"}}, true);
    kernel.finish();
    const Bytes image = build(guest);
    std::ofstream(folder_.path("linux"), std::ios::binary)
        .write(reinterpret_cast<const char*>(image.data()),
               static_cast<std::streamsize>(image.size()));
  }

  Outcome shell(const std::string& commands) {
    const std::string names = "sim='" FERRY_SIM "' there='" FERRY_SIM " --host b.host'";
    return run_program(
        {"/bin/bash", "-c", "cd " + folder_.path("") + "; " + names + "; " + commands});
  }
  void expect_said(const std::string& program, const Row& row) {
    SCOPED_TRACE(row.command);
    shell(row.before);
    const Outcome outcome = shell("'" + program + "' " + row.command + " >/dev/full");
    EXPECT_EQ(outcome.exit_code, row.says == Says::answer ? 1 : 0) << outcome.err;
    if (row.says == Says::nothing) {
      EXPECT_THAT(outcome.err, Not(HasSubstr(kLost)));
      return;
    }
    const size_t first = outcome.err.find(kLost);
    EXPECT_NE(first, std::string::npos) << outcome.err;
    if (row.says == Says::report) {
      EXPECT_THAT(outcome.err, HasSubstr("all the same:\n"));
    } else {
      EXPECT_EQ(outcome.err.rfind(kLost), first) << "said twice: " << outcome.err;
    }
  }
  // As --help has them.
  std::set<std::string> commands_of(const std::string& program) {
    const std::string help = run_program({program, "--help"}).out;
    const std::regex line("\n  ([a-z]+) ");
    std::set<std::string> commands;
    for (std::sregex_iterator at(help.begin(), help.end(), line), end; at != end; ++at)
      commands.insert((*at)[1]);
    return commands;
  }
  static std::set<std::string> without(std::set<std::string> all, const std::vector<Row>& rows,
                                       const std::set<std::string>& others) {
    for (const Row& row : rows) all.erase(row.command.substr(0, row.command.find(' ')));
    for (const std::string& other : others) all.erase(other);
    return all;
  }

  TestFolder folder_;
};

TEST_F(LostAnswer, regression_of_each_command_over_simulated_hosts_fails_or_is_said) {
  for (const Row& row : kSim) expect_said(FERRY_SIM, row);
  // What talks to another program there, or runs one whose answer is lost before its own; and those
  // that are in the other table.
  EXPECT_EQ(without(commands_of(FERRY_SIM), kSim,
                    {"demo", "receive", "lend", "core", "dmesg", "ps", "diff"}),
            std::set<std::string>());
}

TEST_F(LostAnswer, regression_of_each_command_that_reads_images_fails) {
  for (const Row& row : kImages) expect_said(FERRY_PROGRAM, row);
  const std::set<std::string> on_hosts = commands_of(FERRY_HOST);
  EXPECT_EQ(without(commands_of(FERRY_PROGRAM), kImages, on_hosts), std::set<std::string>());
}

TEST_F(LostAnswer, regression_of_help_fails) {
  for (const char* program : {FERRY_PROGRAM, FERRY_SIM, FERRY_HOST, FERRY_HELPER})
    expect_said(program, {"--help", Says::answer});
  for (const std::string& command : commands_of(FERRY_HOST))
    expect_said(FERRY_HOST, {command + " --help", Says::answer});
}

TEST_F(LostAnswer, regression_a_save_to_standard_output_has_saved_though_nobody_hears_of_it) {
  shell("$sim create web1 --memory 8");
  const Outcome outcome = shell("$sim save --destroy web1 - >image 2>/dev/full");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(shell("'" FERRY_PROGRAM "' audit image").exit_code, 0);
  EXPECT_THAT(shell("$sim list").out, Not(HasSubstr("web1")));
}

}  // namespace
}  // namespace ferry::test
