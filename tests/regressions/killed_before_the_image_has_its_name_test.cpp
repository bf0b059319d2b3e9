// The engine removed its note of the suspension as soon as it had reported success. Whoever was
// killed between that and the file's name lost image and note: `ferry resume` refused the guest.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "custody/suspend_mark.h"
#include "tests/engine/real_helper_fixture.h"

namespace ferry::sim {
namespace {

class KilledBeforeTheImageHasItsName : public RealHelper {
 protected:
  void expect_resumable() {
    EXPECT_TRUE(suspended());
    EXPECT_FALSE(place_.has_image());
    const Ended resumed = ferry_resume();
    EXPECT_TRUE(resumed.done()) << resumed.sentence;
    EXPECT_FALSE(suspended());
    subject_->expect_intact();
    EXPECT_TRUE(place_.clear());
  }
};

TEST_F(KilledBeforeTheImageHasItsName, ferry_save_can_be_made_good) {
  for (const bool live : {false, true}) {
    const pid_t child = fork();
    if (child == 0) {
      save(Afterwards::destroy, live,
           [engine = real_engine(file_)](domid_t domid, int fd, const EngineOptions& options,
                                         const EngineCallbacks& callbacks) {
             engine(domid, fd, options, callbacks);
             raise(SIGKILL);
           });
      _exit(1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    expect_resumable();
  }
}

TEST_F(KilledBeforeTheImageHasItsName, xl_save_can_be_made_good_after_a_failure) {
  const int full = open("/dev/full", O_WRONLY);
  const HelperResult result = xl_save(file_, subject_->domid(), full, false, xl());
  close(full);
  EXPECT_EQ(result.retval, -1);
  expect_resumable();  // what xl would have done next
}

TEST_F(KilledBeforeTheImageHasItsName, but_not_once_the_image_counts) {
  const int fd = open(place_.image().c_str(), O_RDWR | O_CREAT, 0600);
  EXPECT_EQ(xl_save(file_, subject_->domid(), fd, false, xl()).retval, 0);
  close(fd);
  EXPECT_EQ(ferry_resume().error, Errc::busy);  // xl is about to destroy it
}

TEST_F(KilledBeforeTheImageHasItsName, nor_once_the_guest_has_run_again) {
  DomainInfo domain;
  domain.domid = domid();
  domain.suspended = true;
  domain.cpu_time_ns = 1'000'000'000;
  leave_suspend_mark(domain.domid, domain.uuid);
  expire_own_suspend_mark(domain);
  EXPECT_TRUE(has_suspend_mark(domain));
  domain.cpu_time_ns += 1'000'000'000;
  EXPECT_FALSE(has_suspend_mark(domain));
}

}  // namespace
}  // namespace ferry::sim
