// A lock has one holder, and none once its process is gone.
#include "files/file_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/files/folder.h"

namespace ferry {
namespace {

TEST(FileLock, has_one_holder_at_a_time_and_leaves_no_file) {
  const TestFolder folder;
  const std::string path = folder.path("job.lock");
  {
    const auto held = FileLock::try_take(path);
    ASSERT_TRUE(held);
    EXPECT_FALSE(FileLock::try_take(path));
  }
  EXPECT_EQ(folder.files(), 0u);
  EXPECT_TRUE(FileLock::try_take(path));
}

TEST(FileLock, of_a_process_that_was_killed_is_nobodys) {
  const TestFolder folder;
  const std::string path = folder.path("job.lock");
  int told[2];
  ASSERT_EQ(pipe(told), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto held = FileLock::try_take(path);
    if (write(told[1], "x", 1) != 1) _exit(1);
    pause();
  }
  char byte = 0;
  ASSERT_EQ(read(told[0], &byte, 1), 1);
  EXPECT_FALSE(FileLock::try_take(path));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(folder.files(), 1u);
  EXPECT_TRUE(FileLock::try_take(path));
  close(told[0]);
  close(told[1]);
}

}  // namespace
}  // namespace ferry
