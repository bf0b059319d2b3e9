// A file that xl opened is there under its name when it is whole, and not before.
#include "files/unfinished_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "error/error.h"
#include "io/descriptor.h"
#include "tests/files/folder.h"

namespace ferry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class UnfinishedFileTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.path(name); }
  Descriptor opened(const std::string& name) const {
    return Descriptor(open(path(name).c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644));
  }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path("")))
      names.insert(entry.path().filename());
    return names;
  }

  TestFolder folder_;
};

TEST_F(UnfinishedFileTest, has_its_name_only_when_it_is_finished) {
  const Descriptor file = opened("web1");
  UnfinishedFile unfinished(file.get());
  EXPECT_THAT(names(), ElementsAre(".web1.unfinished"));
  unfinished.finish();
  unfinished.keep();
  EXPECT_THAT(names(), ElementsAre("web1"));
}

TEST_F(UnfinishedFileTest, is_gone_if_the_image_does_not_count_after_all) {
  const Descriptor file = opened("web1");
  {
    UnfinishedFile unfinished(file.get());
    unfinished.finish();
    EXPECT_THAT(names(), ElementsAre("web1"));
  }
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(UnfinishedFileTest, is_gone_if_it_is_not) {
  const Descriptor file = opened("web1");
  { const UnfinishedFile unfinished(file.get()); }
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(UnfinishedFileTest, takes_the_place_of_what_a_killed_save_left) {
  std::ofstream(path(".web1.unfinished")) << "half";
  const Descriptor file = opened("web1");
  UnfinishedFile unfinished(file.get());
  unfinished.finish();
  unfinished.keep();
  EXPECT_THAT(names(), ElementsAre("web1"));
  EXPECT_EQ(std::filesystem::file_size(path("web1")), 0u);
}

TEST_F(UnfinishedFileTest, another_file_of_that_name_is_left_alone) {
  const Descriptor file = opened("web1");
  {
    UnfinishedFile unfinished(file.get());
    std::ofstream(path("web1")) << "mine";
    EXPECT_THROW(unfinished.finish(), Error);
  }
  EXPECT_THAT(names(), ElementsAre("web1"));
  EXPECT_EQ(std::filesystem::file_size(path("web1")), 4u);
}

TEST_F(UnfinishedFileTest, a_file_with_a_long_name_keeps_it_and_is_removed_all_the_same) {
  const std::string name(250, 'n');
  const Descriptor file = opened(name);
  {
    const UnfinishedFile unfinished(file.get());
    EXPECT_THAT(names(), ElementsAre(name));
  }
  EXPECT_THAT(names(), IsEmpty());
  const Descriptor again = opened(name);
  UnfinishedFile unfinished(again.get());
  unfinished.finish();
  EXPECT_THAT(names(), ElementsAre(name));
}

TEST_F(UnfinishedFileTest, leaves_alone_what_is_no_file_of_one_name) {
  const Descriptor file = opened("web1");
  std::filesystem::create_hard_link(path("web1"), path("other"));
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  const Descriptor fifo(open(path("fifo").c_str(), O_RDWR | O_CLOEXEC));
  {
    const UnfinishedFile twice(file.get()), pipe(fifo.get()), none(-1);
    EXPECT_THAT(names(), ElementsAre("fifo", "other", "web1"));
  }
  EXPECT_THAT(names(), ElementsAre("fifo", "other", "web1"));
}

TEST_F(UnfinishedFileTest, of_two_with_one_name_the_first_to_be_whole_has_it) {
  const Descriptor first = opened("web1");
  UnfinishedFile one(first.get());
  const Descriptor second = opened("web1");
  {
    UnfinishedFile two(second.get());
    EXPECT_THAT(names(), ElementsAre(".web1.unfinished", "web1"));
    EXPECT_THROW(one.finish(), Error) << "the name is taken by now";
    two.finish();
    two.keep();
  }
  EXPECT_THAT(names(), ElementsAre(".web1.unfinished", "web1"));
}

TEST_F(UnfinishedFileTest, one_that_was_removed_is_not_taken_for_whole) {
  const Descriptor file = opened("web1");
  UnfinishedFile unfinished(file.get());
  std::filesystem::remove(path(".web1.unfinished"));
  std::ofstream(path(".web1.unfinished")) << "another";
  EXPECT_THROW(unfinished.finish(), Error);
}

// Through a link, the file that it leads to is meant; the link stays.
TEST_F(UnfinishedFileTest, a_link_stays_a_link) {
  std::filesystem::create_symlink(path("there"), path("link"));
  const Descriptor file = opened("link");
  UnfinishedFile unfinished(file.get());
  EXPECT_THAT(names(), ElementsAre(".there.unfinished", "link"));
  unfinished.finish();
  EXPECT_THAT(names(), ElementsAre("link", "there"));
}

}  // namespace
}  // namespace ferry
