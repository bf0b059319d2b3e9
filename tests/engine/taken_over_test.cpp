// ferry-save-helper restores an image whose reader somebody has taken over
// (tests/sandbox/taken_over.cpp): whatever they try fails, the domain cannot run, and the helper
// says so.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "tests/engine/real_helper_fixture.h"

namespace ferry::sim {
namespace {

using testing::HasSubstr;

class TakenOverHelper : public RealHelper {
 protected:
  void SetUp() override {
    const int fd = ::open(place_.image().c_str(), O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(xl_save(file_, subject_->domid(), fd, false, xl()).retval, 0);
    ::close(fd);
  }
  std::string left() const { return place_.image() + ".left"; }

  // The helper's outcome, and whether the domain could run.
  HelperResult restore(const char* what, std::vector<std::string> more = {}) {
    target_ = create_target(other_.host(), 300, 2);
    const int fd = ::open(place_.image().c_str(), O_RDONLY);
    more.push_back(std::string("TAKEN_OVER=") + what);
    more.push_back("TAKEN_OVER_PLACE=" + left());
    more.push_back("TAKEN_OVER_QUIET=1");
    const HelperResult result = xl_restore(other_, target_, fd, TAKEN_OVER_LIBRARY, more);
    ::close(fd);
    could_run_ = can_run(other_.host(), raw(target_.domid));
    return result;
  }
  void destroy() { destroy_domain(other_.host(), raw(target_.domid)); }

  void expect_refused(const char* what, const std::string& words) {
    const HelperResult result = restore(what);
    EXPECT_NE(result.retval, 0) << what;
    EXPECT_EQ(result.exit_status, 0) << what << ": libxl was told";
    EXPECT_THAT(result.log, HasSubstr(words)) << what;
    EXPECT_FALSE(could_run_) << what;
    EXPECT_FALSE(std::filesystem::exists(left())) << what;
    destroy();
  }

  HostFile other_{{.seed = 6, .frames = 4096}};
  RestoreTarget target_;
  bool could_run_ = false;
};

TEST_F(TakenOverHelper, can_do_nothing_and_is_told_of) {
  for (const char* what : {"write", "hypercall", "store", "connect", "trace", "signal", "run"})
    expect_refused(what,
                   "what reads the image was stopped: it asked the kernel for what reading never "
                   "needs");
}

TEST_F(TakenOverHelper, can_say_nothing_that_the_engine_believes) {
  expect_refused("garbage", "what reads the image says what makes no sense");
  expect_refused("lie", "the image is bad: it lacks the guest's TSC settings");
  expect_refused("leave", "what reads the image ended before it was done");
  expect_refused("crash", "what reads the image was ended by signal 6");
}

// It can give other pages, as whoever made the image could. None of them leads out of the guest:
// the engine refuses what it sees, or has put what it judged.
TEST_F(TakenOverHelper, can_change_no_page_that_was_checked) {
  const HelperResult result = restore("change");
  EXPECT_EQ(could_run_, result.retval == 0) << result.log;
  if (!could_run_) {
    EXPECT_THAT(result.log, HasSubstr("the image is bad"));
  }
  destroy();
}

// What is refused and not stopped, since the C library itself asks for it.
TEST_F(TakenOverHelper, reads_no_other_file) {
  const HelperResult result = restore("read");
  EXPECT_EQ(result.retval, 0) << result.log;
  EXPECT_TRUE(could_run_);
  destroy();
}

// That the attempts are ones: without a sandbox they succeed.
TEST_F(TakenOverHelper, does_as_it_likes_without_a_sandbox) {
  const HelperResult result = restore("write", {"FERRY_SANDBOX=no"});
  EXPECT_EQ(result.retval, 0) << result.log;
  EXPECT_THAT(result.log, HasSubstr("what reads the image has all the rights of this program"));
  EXPECT_TRUE(std::filesystem::exists(left()));
  std::filesystem::remove(left());
  destroy();
}

}  // namespace
}  // namespace ferry::sim
