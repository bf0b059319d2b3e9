// xl resumes the guest of a save that failed, and the helper left it to that. libvirt's driver for
// Xen resumes nothing: after a virsh save or virsh migrate that failed once the guest was
// suspended, the guest stood still for good.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include "tests/engine/real_helper_fixture.h"

namespace ferry::sim {
namespace {

class LibvirtLeavesItsGuestSuspended : public RealHelper {
 protected:
  // A save whose reader goes when the guest has suspended; the helper's starter has that name.
  HelperResult broken_save(const char* starter) {
    char name[16] = {};
    prctl(PR_GET_NAME, name);
    prctl(PR_SET_NAME, starter);
    int stream[2];
    EXPECT_EQ(pipe(stream), 0);
    fcntl(stream[0], F_SETFD, FD_CLOEXEC);  // nobody but us reads
    LibxlSide libxl;
    libxl.suspend = [&] {
      subject_->hooks().asked_to_suspend(domid());
      close(stream[0]);
      return 1;
    };
    const HelperResult result = xl_save(file_, subject_->domid(), stream[1], false, libxl);
    close(stream[1]);
    prctl(PR_SET_NAME, name);
    return result;
  }
};

TEST_F(LibvirtLeavesItsGuestSuspended, no_more) {
  for (const char* starter : {"libvirtd", "virtxend"}) {
    const HelperResult result = broken_save(starter);
    EXPECT_EQ(result.retval, -1);
    EXPECT_EQ(result.os_errno, EPIPE);
    EXPECT_FALSE(suspended()) << starter << ": " << result.log;
    subject_->expect_intact();
    EXPECT_TRUE(place_.clear()) << "a note is left of a guest that runs";
  }
}

// A second resume, at the same moment as xl's, could take the guest back to where it was.
TEST_F(LibvirtLeavesItsGuestSuspended, but_xl_resumes_its_own) {
  const HelperResult result = broken_save("xl");
  EXPECT_EQ(result.retval, -1);
  EXPECT_TRUE(suspended()) << result.log;
  EXPECT_TRUE(ferry_resume().done());
  EXPECT_FALSE(suspended());
}

}  // namespace
}  // namespace ferry::sim
