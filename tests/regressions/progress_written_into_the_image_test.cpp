// Started without standard streams, a program opened the image as descriptor 2: its own lines of
// progress went into the image, the save ended well, and the guest was destroyed. A pipe at
// standard error that nobody read kept a suspended guest waiting for ever.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/files/folder.h"

namespace ferry {
namespace {

class Streams : public ::testing::Test {
 protected:
  int run(const std::string& arguments, const std::string& redirections) {
    const std::string line =
        "cd " + folder_.path("") + " && " FERRY_SIM " " + arguments + " " + redirections;
    const int ended = std::system(line.c_str());
    EXPECT_TRUE(WIFEXITED(ended)) << arguments;
    return WEXITSTATUS(ended);
  }
  TestFolder folder_;
};

TEST_F(Streams, that_are_closed_get_nothing_of_an_image) {
  for (const char* closed : {"0<&- 1>&- 2>&-", "2>&-", "0<&- 2>&-"}) {
    ASSERT_EQ(run("create web1 --memory 8", ">/dev/null"), 0);
    EXPECT_EQ(run("save web1 web1.ferry", closed), 0) << closed;
    EXPECT_EQ(run("audit web1.ferry", ">/dev/null 2>&1"), 0) << closed;
    EXPECT_EQ(run("list", ">/dev/null 2>&1"), 0) << closed;
  }
}

TEST_F(Streams, that_nobody_reads_keep_no_guest_waiting) {
  ASSERT_EQ(run("create web1 --memory 8", ">/dev/null"), 0);
  int full[2];
  ASSERT_EQ(pipe(full), 0);
  fcntl(full[1], F_SETFL, O_NONBLOCK);
  while (write(full[1], "x", 1) == 1) {
  }
  fcntl(full[1], F_SETFL, 0);
  EXPECT_EQ(run("save --keep web1 web1.ferry", ">/dev/null 2>&" + std::to_string(full[1])), 0);
  EXPECT_EQ(run("audit nothing.ferry", ">/dev/null 2>&" + std::to_string(full[1])), 1);
  EXPECT_EQ(run("run web1 --steps 5", ">/dev/null"), 0);
}

}  // namespace
}  // namespace ferry
