// A file written durably is the new one or the old one, never half of one.
#include "files/durable.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

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

}  // namespace
}  // namespace ferry
