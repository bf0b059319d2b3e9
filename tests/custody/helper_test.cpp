// Two saves under xl, which destroys a guest after a success and resumes it after a failure without
// asking anybody.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "custody/domain_lock.h"
#include "tests/engine/real_helper_fixture.h"

namespace ferry::sim {
namespace {

class HelperUnderXl : public RealHelper {
 protected:
  bool is_locked() const { return !DomainLock::try_take(domid()).has_value(); }
  bool becomes_free() const {
    for (int tries = 0; tries < 2000; ++tries) {
      if (!is_locked()) return true;
      usleep(10'000);
    }
    return false;
  }
  HelperResult save_to(const char* path, const LibxlSide& libxl) {
    const int fd = open(path, O_RDWR | O_CREAT, 0600);
    HelperResult result = xl_save(file_, subject_->domid(), fd, false, libxl);
    close(fd);
    return result;
  }
};

TEST_F(HelperUnderXl, keeps_the_lock_until_the_guest_is_destroyed) {
  ASSERT_EQ(save_to(place_.image().c_str(), xl()).retval, 0);
  EXPECT_TRUE(std::filesystem::exists(place_.image())) << "a success keeps its file";
  EXPECT_TRUE(is_locked()) << "nobody has the guest, and xl has not destroyed it";
  EXPECT_EQ(ferry_resume().error, Errc::busy);
  destroy_domain(host(), subject_->domid());
  EXPECT_TRUE(becomes_free());
}

TEST_F(HelperUnderXl, keeps_the_lock_until_the_guest_runs_again) {
  ASSERT_EQ(save_to(place_.image().c_str(), xl()).retval, 0);
  EXPECT_TRUE(is_locked());
  resume_domain(host(), subject_->domid());
  EXPECT_TRUE(becomes_free());
  EXPECT_TRUE(place_.clear());
}

TEST_F(HelperUnderXl, waits_while_somebody_else_has_the_guest) {
  std::optional<DomainLock> first(std::in_place, domid());
  subject_->hooks().asked_to_suspend(domid());
  std::atomic<bool> ended{false};
  HelperResult second;
  std::thread saving([&] {
    second = save_to(place_.image().c_str(), xl());
    ended = true;
  });
  usleep(500'000);
  EXPECT_FALSE(ended) << "xl would resume the first one's guest: " << second.log;
  destroy_domain(host(), subject_->domid());
  first.reset();
  saving.join();
  EXPECT_EQ(second.retval, -1);
  EXPECT_NE(second.log.find("waiting"), std::string::npos) << second.log;
}

TEST_F(HelperUnderXl, does_not_report_success_for_a_guest_that_somebody_resumed) {
  // Somebody resumes the guest as soon as it is suspended, and suspends it again at once.
  LibxlSide libxl = xl();
  libxl.suspend = [this] {
    subject_->hooks().asked_to_suspend(domid());
    return 1;
  };
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  HelperResult result;
  std::thread saving([&] {
    result = xl_save(file_, subject_->domid(), ends[1], false, libxl);
    close(ends[1]);
  });
  char byte;
  // Until pages fill the pipe: what happens before the helper knows of the suspension is no loss.
  constexpr int kPages = 48 << 10;
  int waiting = 0;
  for (int tries = 0; tries < 2000 && waiting < kPages; ++tries) {
    ASSERT_EQ(ioctl(ends[0], FIONREAD, &waiting), 0);
    usleep(5'000);
  }
  ASSERT_GE(waiting, kPages);
  ASSERT_TRUE(suspended());
  resume_domain(host(), subject_->domid());
  subject_->hooks().asked_to_suspend(domid());
  while (read(ends[0], &byte, 1) == 1) {
  }
  saving.join();
  close(ends[0]);
  EXPECT_EQ(result.retval, -1) << result.log;
}

}  // namespace
}  // namespace ferry::sim
