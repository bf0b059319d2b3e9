// A file written durably is the new one or the old one, never half of one.
#include "files/durable.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "error/error.h"
#include "tests/files/folder.h"

namespace ferry {
namespace {

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(WriteDurably, replaces_what_was_there_and_belongs_to_its_owner_alone) {
  const TestFolder folder;
  const std::string path = folder.path("note");
  write_durably(path, "first");
  write_durably(path, "second, and longer");
  EXPECT_EQ(text_of(path), "second, and longer");
  EXPECT_EQ(folder.files(), 1u);
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(WriteDurably, leaves_the_old_one_where_the_new_one_cannot_be_written) {
  const TestFolder folder;
  const std::string path = folder.path("note");
  write_durably(path, "old");
  std::filesystem::create_directory(path + ".new");  // where the new one would be written
  EXPECT_THROW(write_durably(path, "new"), Error);
  EXPECT_EQ(text_of(path), "old");
  EXPECT_THROW(write_durably(folder.path("no/such/folder/note"), "new"), Error);
  EXPECT_THROW(sync_folder(folder.path("nowhere")), Error);
}

TEST(WriteDurably, is_not_disturbed_by_what_a_killed_one_has_left) {
  const TestFolder folder;
  const std::string path = folder.path("note");
  std::ofstream(path + ".new") << "half of it, and longer than the new one";
  ASSERT_EQ(chmod((path + ".new").c_str(), 0666), 0);
  write_durably(path, "whole");
  EXPECT_EQ(text_of(path), "whole");
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  // Nor by a link, through which another file would be written.
  std::ofstream(folder.path("other")) << "untouched";
  std::filesystem::create_symlink(folder.path("other"), path + ".new");
  write_durably(path, "again");
  EXPECT_EQ(text_of(path), "again");
  EXPECT_EQ(text_of(folder.path("other")), "untouched");
  EXPECT_EQ(folder.files(), 2u);
}

TEST(WriteDurably, says_why_only_a_part_could_be_written) {
  const TestFolder folder;
  const std::string path = folder.path("note");
  write_durably(path, "old");
  signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit ten = {10, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &ten), 0);
  errno = EEXIST;
  int why = 0;
  try {
    write_durably(path, "more than ten bytes");
  } catch (const Error& e) {
    why = e.os_errno();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(why, EFBIG) << strerror(why);
  EXPECT_EQ(text_of(path), "old");
  EXPECT_EQ(folder.files(), 1u) << "half of the new one is left";
}

}  // namespace
}  // namespace ferry
