// One save at a time writes to what a guest is saved to, and none takes another one's image away.
#include "files/target_hold.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "error/error.h"
#include "files/held_files.h"
#include "files/image_output.h"
#include "files/unfinished_file.h"
#include "tests/files/folder.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;

class TargetHold : public testing::Test {
 protected:
  TargetHold() {
    setenv("FERRY_RUN_DIR", folder_.path("run").c_str(), 1);
    fs::create_directory(folder_.path("images"));
  }
  ~TargetHold() override { unsetenv("FERRY_RUN_DIR"); }

  std::string path(const std::string& name = "web1") const {
    return folder_.path("images/" + name);
  }
  void put(const std::string& text) const { std::ofstream(path()) << text; }
  std::string contents() const {
    std::string text;
    std::getline(std::ifstream(path()), text);
    return text;
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_.path("images")), {}));
  }
  Descriptor opened_by_xl() const {
    return Descriptor(open(path().c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644));
  }
  static std::string why_not(const std::string& path) {
    try {
      const ImageOutput output(path, ImageOutput::Takes::any);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::busy);
      return e.what();
    }
    return {};
  }
  static void expect_taken(ImageOutput& output) {
    ASSERT_EQ(write(output.fd(), "new", 3), 3);
    EXPECT_THROW(output.commit(), Error);
  }

  TestFolder folder_;
};

TEST_F(TargetHold, is_one_saves_however_it_is_called) {
  for (const bool there : {false, true}) {
    if (there) put("old");
    const ImageOutput first(path(), ImageOutput::Takes::any);
    fs::create_symlink(path(), path("link"));
    fs::create_directory_symlink(folder_.path("images"), folder_.path("folder"));
    EXPECT_NE(why_not(path()).find("another save writes to it"), std::string::npos);
    EXPECT_NE(why_not(path("link")), "");
    EXPECT_NE(why_not(folder_.path("folder/web1")), "");
    EXPECT_EQ(why_not(path("web2")), "");
    fs::remove(path("link"));
    fs::remove(folder_.path("folder"));
  }
  EXPECT_EQ(why_not(path()), "") << "nobody has it any more";
}

// It was taken back when its save failed, and a guest had gone into a delta of it.
TEST_F(TargetHold, regression_nothing_builds_upon_an_image_before_its_save_has_ended) {
  HeldFiles held;
  const auto build_upon = [&] {
    const Descriptor file(open(path().c_str(), O_RDONLY | O_CLOEXEC));
    held.hold(file.get(), path());
  };
  {
    ImageOutput output(path(), ImageOutput::Takes::any);
    ASSERT_EQ(write(output.fd(), "new", 3), 3);
    output.commit();
    EXPECT_THROW(build_upon(), Error);
  }
  EXPECT_NO_THROW(build_upon());
  EXPECT_NO_THROW(held.check());
  EXPECT_NE(why_not(path()).find("or builds upon it"), std::string::npos);
  fs::remove(path());
  EXPECT_THROW(held.check(), Error);
}

// It stayed for ever when its save was broken off, for the sake of one that had its number before.
TEST_F(TargetHold, regression_what_has_the_number_of_one_that_is_built_upon_is_not_taken_for_it) {
  put("old");
  const Descriptor file(open(path().c_str(), O_RDONLY | O_CLOEXEC));
  HeldFiles held;
  held.hold(file.get(), path());
  const NamedFile base = named_file(file.get(), path());
  EXPECT_FALSE(is_built_upon(base));
  held.note_built_upon();
  EXPECT_TRUE(is_built_upon(base));
  NamedFile another = base;
  another.changed_ns += 1;
  EXPECT_FALSE(is_built_upon(another));
  another = base;
  another.bytes += 1;
  EXPECT_FALSE(is_built_upon(another));
}

// As rsync --inplace does.
TEST_F(TargetHold, regression_what_is_built_upon_is_not_written_to_though_its_time_was_put_back) {
  put("old");
  HeldFiles held;
  held.hold(Descriptor(open(path().c_str(), O_RDONLY | O_CLOEXEC)).get(), path());
  const auto time = fs::last_write_time(path());
  EXPECT_NO_THROW(held.check());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the kernel's clock ticks
  put("new");
  fs::last_write_time(path(), time);
  EXPECT_THROW(held.check(), Error);
}

TEST_F(TargetHold, what_a_killed_save_has_left_goes_and_what_is_held_stays) {
  const std::string left = folder_.path("run/target-1-2-3.lock");
  const ImageOutput output(path(), ImageOutput::Takes::any);
  std::ofstream(left) << "";
  remove_left_holds();
  EXPECT_FALSE(fs::exists(left));
  EXPECT_NE(why_not(path()), "");
}

TEST_F(TargetHold, what_got_the_name_meanwhile_keeps_it) {
  {
    ImageOutput output(path(), ImageOutput::Takes::any);
    put("another one's");
    expect_taken(output);
  }
  EXPECT_EQ(contents(), "another one's");
  EXPECT_EQ(files(), 1u);
}

TEST_F(TargetHold, so_does_what_was_replaced_or_written_to) {
  for (const bool replaced : {false, true}) {
    put("old");
    {
      ImageOutput output(path(), ImageOutput::Takes::any);
      if (replaced) fs::remove(path());
      put("another one's");
      expect_taken(output);
    }
    EXPECT_EQ(contents(), "another one's");
    EXPECT_EQ(files(), 1u);
  }
}

TEST_F(TargetHold, what_is_as_it_was_is_replaced_and_what_is_gone_is_in_nobodys_way) {
  for (const bool removed : {false, true}) {
    put("old");
    ImageOutput output(path(), ImageOutput::Takes::any);
    if (removed) fs::remove(path());
    ASSERT_EQ(write(output.fd(), "new", 3), 3);
    output.commit();
    EXPECT_EQ(contents(), "new");
    EXPECT_EQ(files(), 1u);
  }
}

// Its file is hidden while xl saves.
TEST_F(TargetHold, xl_and_ferry_leave_one_image_each) {
  for (const bool xl_first : {false, true}) {
    fs::remove(path());
    ImageOutput output(path(), ImageOutput::Takes::any);
    ASSERT_EQ(write(output.fd(), "new", 3), 3);
    const Descriptor file = opened_by_xl();
    UnfinishedFile unfinished(file.get());
    ASSERT_EQ(write(file.get(), "xl's", 4), 4);
    if (xl_first) {
      unfinished.finish();
      unfinished.keep();
      EXPECT_THROW(output.commit(), Error);
    } else {
      output.commit();
      EXPECT_THROW(unfinished.finish(), Error);
    }
    EXPECT_EQ(contents(), xl_first ? "xl's" : "new");
  }
}

TEST_F(TargetHold, ferry_waits_for_no_file_that_xl_writes_under_its_name) {
  const std::string name(250, 'n');  // too long to be hidden
  const Descriptor file(open(path(name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  const UnfinishedFile unfinished(file.get());
  EXPECT_NE(why_not(path(name)), "");
}

TEST_F(TargetHold, what_ferry_has_replaced_is_nothing_to_write_to) {
  const Descriptor file = opened_by_xl();
  {
    ImageOutput output(path(), ImageOutput::Takes::any);
    ASSERT_EQ(write(output.fd(), "new", 3), 3);
    output.commit();
  }
  EXPECT_THROW(const UnfinishedFile unfinished(file.get()), Error);
  EXPECT_EQ(contents(), "new");
}

// The second xl has emptied the file under the hands of the first.
TEST_F(TargetHold, of_two_xl_in_one_file_neither_counts) {
  const std::string name(250, 'n');
  const Descriptor one(open(path(name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  UnfinishedFile first(one.get());
  const Descriptor two(open(path(name).c_str(), O_TRUNC | O_WRONLY | O_CLOEXEC));
  EXPECT_THROW(const UnfinishedFile second(two.get()), Error);
  EXPECT_THROW(first.finish(), Error);
  EXPECT_EQ(files(), 0u);
}

TEST_F(TargetHold, a_fifo_is_one_saves) {
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  const Descriptor reader(open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const ImageOutput first(path(), ImageOutput::Takes::any);
  EXPECT_NE(why_not(path()), "");
  const Descriptor xl(open(path().c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_THROW(const UnfinishedFile second(xl.get()), Error);
}

}  // namespace
}  // namespace ferry
