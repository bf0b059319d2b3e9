// The judge of the pairs: a guest that runs twice, or from memory that is older than its disk, is
// found.
#include <gtest/gtest.h>

#include "tests/pairs/stage.h"

namespace ferry::pairs {
namespace {

class GuestDisk : public ::testing::Test {
 protected:
  Stage stage_;
};

TEST_F(GuestDisk, lets_one_copy_run_again_and_again) {
  stage_.set(World::running);
  EXPECT_EQ(stage_.guest().let_run(), "");
  EXPECT_EQ(stage_.guest().let_run(), "");
}

TEST_F(GuestDisk, notices_a_second_copy_that_runs) {
  const auto run_here_too = [&] {
    return stage_.ferry('a', {"job", "abort", "--force", stage_.open_jobs().front()});
  };
  stage_.set(World::ran);
  ASSERT_EQ(stage_.guest().let_run(), "");
  ASSERT_EQ(run_here_too(), 0);
  EXPECT_EQ(stage_.guest().let_run().substr(0, 7), "domain ");  // the first to run is too old
  stage_.set(World::ran);
  ASSERT_EQ(run_here_too(), 0);
  EXPECT_EQ(stage_.guest().let_run(), "two copies of the guest run");
}

TEST_F(GuestDisk, notices_memory_that_is_older_than_the_disk) {
  stage_.set(World::running);
  ASSERT_EQ(stage_.ferry('a', {"save", "--quiet", "--keep", "web1", stage_.path("old.image")}), 0);
  ASSERT_EQ(stage_.guest().let_run(), "");
  ASSERT_EQ(stage_.xl({"destroy", "web1"}), 0);
  ASSERT_EQ(stage_.ferry('a', {"restore", stage_.path("old.image")}), 0);
  EXPECT_NE(stage_.guest().let_run().find("and its disk is at step"), std::string::npos);
}

}  // namespace
}  // namespace ferry::pairs
