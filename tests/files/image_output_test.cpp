// A saved file is whole and durable under its name, or it is not there.
#include "files/image_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "error/error.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;

class ImageOutputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("ferry-image-output-{}", getpid());
    fs::create_directory(folder_);
    path_ = (folder_ / "guest.ferry").string();
  }
  void TearDown() override { fs::remove_all(folder_); }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  std::string contents() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void put(const ImageOutput& output) { ASSERT_EQ(write(output.fd(), "new", 3), 3); }

  fs::path folder_;
  std::string path_;
};

TEST_F(ImageOutputTest, appears_on_commit_readable_only_by_its_owner) {
  {
    ImageOutput output(path_);
    put(output);
    EXPECT_FALSE(fs::exists(path_));
    output.commit();
    EXPECT_EQ(contents(), "new");
  }
  struct stat status = {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(files(), 1u);
}

TEST_F(ImageOutputTest, without_commit_leaves_nothing_and_what_was_there_before) {
  { put(ImageOutput(path_)); }
  EXPECT_EQ(files(), 0u);
  std::ofstream(path_) << "old";
  { put(ImageOutput(path_)); }
  EXPECT_EQ(contents(), "old");
  EXPECT_EQ(files(), 1u);
}

TEST_F(ImageOutputTest, replaces_what_has_the_name) {
  std::ofstream(path_) << "old image";
  ImageOutput output(path_);
  put(output);
  output.commit();
  EXPECT_EQ(contents(), "new");
  EXPECT_EQ(files(), 1u);
}

// Others could read it, which was told, and somebody did something about it meanwhile.
TEST_F(ImageOutputTest, regression_has_the_mode_that_the_replaced_file_has_in_the_end) {
  std::ofstream(path_) << "old image";
  fs::permissions(path_, fs::perms(0644));
  ImageOutput output(path_, ImageOutput::Takes::any);
  EXPECT_TRUE(output.others_can_read());
  put(output);
  fs::permissions(path_, fs::perms(0600));
  output.commit();
  EXPECT_EQ(contents(), "new");
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms(0600));
}

// A save that was killed while it took the name's place, and had our number.
TEST_F(ImageOutputTest, is_not_disturbed_by_what_a_killed_one_has_left) {
  const std::string left = fmt::format("{}.{}", path_, getpid());
  std::ofstream(path_) << "old image";
  std::ofstream(left) << "somebody's";
  ImageOutput output(path_);
  put(output);
  output.commit();
  EXPECT_EQ(contents(), "new");
  EXPECT_TRUE(fs::exists(left));
  EXPECT_EQ(files(), 2u);
}

TEST_F(ImageOutputTest, refuses_a_folder_that_is_not_there_and_a_name_that_is_a_folder) {
  EXPECT_THROW(ImageOutput((folder_ / "nowhere" / "x").string()), Error);
  EXPECT_THROW(ImageOutput(folder_.string()), Error);
}

TEST_F(ImageOutputTest, a_folder_that_vanishes_before_commit_is_an_error) {
  ImageOutput output(path_);
  fs::remove_all(folder_);
  EXPECT_THROW(output.commit(), Error);
}

// The engine gets this number, and pipes to us at 0 and 1.
TEST_F(ImageOutputTest, standard_output_gets_a_number_of_its_own) {
  EXPECT_GT(ImageOutput("-").fd(), STDERR_FILENO);
  EXPECT_GE(fcntl(STDOUT_FILENO, F_GETFD), 0);
}

}  // namespace
}  // namespace ferry
