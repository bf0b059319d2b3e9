// A full disk under a log, or a reader that is gone, made every line on standard error throw: a
// save ended half way for a line of progress, and a program that wanted to say why it failed was
// aborted, so that nobody learned its exit code.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "tests/files/folder.h"

namespace ferry {
namespace {

int status_of(const TestFolder& folder, const std::string& arguments) {
  const std::string line = "cd " + folder.path("") + " && " FERRY_SIM " " + arguments +
                           " >/dev/null 2>/dev/full </dev/null";
  const int ended = std::system(line.c_str());
  EXPECT_TRUE(WIFEXITED(ended)) << arguments;
  return WEXITSTATUS(ended);
}

TEST(UnwritableStandardError, ends_no_save_and_hides_no_exit_code) {
  const TestFolder folder;
  EXPECT_EQ(status_of(folder, "create web1 --memory 8"), 0);
  EXPECT_EQ(status_of(folder, "save --keep web1 web1.ferry"), 0);
  EXPECT_EQ(status_of(folder, "audit web1.ferry"), 0);
  EXPECT_EQ(status_of(folder, "audit nothing.ferry"), 1);
  EXPECT_EQ(status_of(folder, "save nobody nobody.ferry"), 1);
  EXPECT_EQ(status_of(folder, "save --bogus web1 x.ferry"), 2);
}

}  // namespace
}  // namespace ferry
