// ferry-save-helper as libxl starts it, on a machine without Xen: it says what is wrong in libxl's
// own protocol, and leaves to the stock helper what is the stock helper's.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "host/child.h"
#include "xen/release.h"

namespace ferry {
namespace {

struct Outcome {
  int exit_status = -1;
  std::string said;           // the last log message
  std::vector<int> messages;  // numbers, in order
  int retval = 1;
};

std::string take(const std::string& bytes, size_t& at, size_t count) {
  std::string part = bytes.substr(at, count);
  at += count;
  return part;
}

uint32_t number(const std::string& bytes, size_t& at) {
  uint32_t value = 0;
  std::memcpy(&value, take(bytes, at, 4).data(), 4);
  return value;
}

// Plays libxl: answers 0 to everything.
Outcome run(std::vector<std::string> arguments, const std::vector<std::string>& environment = {},
            const std::vector<int>& inherit = {}) {
  arguments.insert(arguments.begin(), HELPER_PROGRAM);
  host::Child child(arguments, environment, inherit);
  Outcome outcome;
  uint16_t length = 0;
  while (read(child.output(), &length, sizeof length) == sizeof length) {
    std::string bytes(length, '\0');
    size_t done = 0;
    while (done < bytes.size()) {
      ssize_t n = read(child.output(), bytes.data() + done, bytes.size() - done);
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    uint16_t message = 0;
    std::memcpy(&message, bytes.data(), sizeof message);
    outcome.messages.push_back(message);
    size_t at = 2;
    if (message == 1) {
      at += 8;
      take(bytes, at, number(bytes, at));
      outcome.said = take(bytes, at, number(bytes, at));
    }
    if (message == 10) {
      outcome.retval = static_cast<int>(number(bytes, at));
      const int32_t zero = 0;
      EXPECT_EQ(write(child.input(), &zero, sizeof zero), ssize_t{sizeof zero});
    }
  }
  const int status = child.wait();
  outcome.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

class Script {
 public:
  explicit Script(const std::string& body)
      : path_(std::filesystem::temp_directory_path() / "ferry-test-stock") {
    std::ofstream(path_) << "#!/bin/sh\n" << body;
    chmod(path_.c_str(), 0700);
  }
  ~Script() { std::filesystem::remove(path_); }
  std::string setting() const { return "FERRY_STOCK_HELPER=" + path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(HelperProgram, save_without_xen_says_so_and_completes_with_failure) {
  const Outcome outcome = run({"--save-domain", "2", "-1", "1", "0", "136", "0"});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.messages, (std::vector<int>{1, 10}));
  EXPECT_EQ(outcome.retval, -1);
  EXPECT_NE(outcome.said.find("Xen"), std::string::npos) << outcome.said;
}

TEST(HelperProgram, restore_reports_its_results_before_it_completes) {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const Outcome outcome =
      run({"--restore-domain", std::to_string(null), "-1", "1", "2", "0", "3", "0", "768", "0"}, {},
          {null});
  close(null);
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.messages, (std::vector<int>{9, 1, 10}));
  EXPECT_EQ(outcome.retval, -1);
}

TEST(HelperProgram, a_live_save_is_our_own) {
  const Script stock("exit 42\n");
  const Outcome outcome =
      run({"--save-domain", "2", "-1", "1", "1", "136", "0"}, {stock.setting()});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_NE(outcome.said.find("Xen"), std::string::npos) << outcome.said;
}

TEST(HelperProgram, remus_is_the_stock_helpers) {
  const Script stock("exit 42\n");
  EXPECT_EQ(run({"--save-domain", "2", "-1", "1", "0", "184", "1"}, {stock.setting()}).exit_status,
            42);
  EXPECT_EQ(
      run({"--restore-domain", "0", "-1", "1", "2", "0", "3", "0", "768", "1"}, {stock.setting()})
          .exit_status,
      42);
}

TEST(HelperProgram, all_is_the_stock_helpers_where_the_operator_says_so) {
  const Script stock("exit 42\n");
  const std::string said = "FERRY_ENGINE=stock";
  EXPECT_EQ(
      run({"--save-domain", "2", "-1", "1", "0", "136", "0"}, {stock.setting(), said}).exit_status,
      42);
  EXPECT_EQ(run({"--restore-domain", "0", "-1", "1", "2", "0", "3", "0", "768", "0"},
                {stock.setting(), said})
                .exit_status,
            42);
}

TEST(HelperProgram, a_number_that_is_too_large_is_refused) {
  const Outcome outcome = run({"--save-domain", "2", "-1", "65537", "0", "136", "0"});
  EXPECT_EQ(outcome.retval, -1);
  EXPECT_NE(outcome.said.find("65537"), std::string::npos) << outcome.said;
}

TEST(HelperProgram, arguments_of_another_libxl_are_refused_in_its_own_protocol) {
  const Outcome outcome = run({"--save-domain", "2", "-1"});
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.retval, -1);
  EXPECT_NE(outcome.said.find(xen_release()), std::string::npos) << outcome.said;
}

TEST(HelperProgram, a_bad_setting_is_named) {
  const Outcome outcome =
      run({"--save-domain", "2", "-1", "1", "0", "136", "0"}, {"FERRY_LEVEL=99"});
  EXPECT_EQ(outcome.retval, -1);
}

TEST(HelperProgram, started_by_hand_it_explains_itself) {
  const std::string command = HELPER_PROGRAM;
  EXPECT_EQ(WEXITSTATUS(std::system((command + " >/dev/null 2>&1").c_str())), 2);
  EXPECT_EQ(WEXITSTATUS(std::system((command + " --help >/dev/null").c_str())), 0);
}

}  // namespace
}  // namespace ferry
