// A page about an image, or the image in another format, could be written over the image itself:
// the only copy of a guest was gone, with exit code 0.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "tests/files/folder.h"

namespace ferry {
namespace {

TEST(ImageThatIsRead, is_never_replaced) {
  const TestFolder folder;
  const auto run = [&](const std::string& arguments) {
    const std::string line =
        "cd " + folder.path("") + " && " FERRY_SIM " " + arguments + " >/dev/null 2>&1";
    return WEXITSTATUS(std::system(line.c_str()));
  };
  ASSERT_EQ(run("create web1 --memory 8"), 0);
  ASSERT_EQ(run("save web1 web1.ferry"), 0);
  ASSERT_EQ(std::system(("ln -s web1.ferry " + folder.path("link")).c_str()), 0);
  EXPECT_EQ(run("inspect --html web1.ferry web1.ferry"), 2);
  EXPECT_EQ(run("inspect --html ./link web1.ferry"), 2);
  EXPECT_EQ(run("convert web1.ferry web1.ferry"), 2);
  EXPECT_EQ(run("audit web1.ferry"), 0);
  EXPECT_EQ(run("inspect --html web1.html web1.ferry"), 0);
}

}  // namespace
}  // namespace ferry
