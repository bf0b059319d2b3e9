// An engine that was killed during a live save left Xen's dirty log on, and the guest slow: only
// its own destructor turned it off.
#include <fcntl.h>
#include <unistd.h>

#include "tests/engine/real_helper_fixture.h"

namespace ferry::sim {
namespace {

class DirtyLogLeftOnByAKilledEngine : public RealHelper {
 protected:
  // Of xl, whose guest nobody resumes.
  void kill_engine_at(uint64_t call) {
    const int fd = open("/dev/null", O_WRONLY);
    xl_save(file_, subject_->domid(), fd, true, xl(), call);
    close(fd);
  }
};

TEST_F(DirtyLogLeftOnByAKilledEngine, is_turned_off_by_ferry_save) {
  uint64_t call = 20;
  while (call < 120 && !logs()) kill_engine_at(++call);
  ASSERT_TRUE(logs());
  ASSERT_FALSE(suspended());
  EXPECT_FALSE(save(Afterwards::keep, true, real_engine(file_, call)).done());
  EXPECT_FALSE(logs());
}

TEST_F(DirtyLogLeftOnByAKilledEngine, is_turned_off_by_ferry_resume) {
  uint64_t call = 160;
  while (call > 20 && !(suspended() && logs())) {
    if (suspended()) resume_domain(host(), subject_->domid());
    kill_engine_at(--call);
  }
  ASSERT_TRUE(logs());
  EXPECT_TRUE(ferry_resume().done());
  EXPECT_FALSE(logs());
  EXPECT_FALSE(suspended());
}

}  // namespace
}  // namespace ferry::sim
