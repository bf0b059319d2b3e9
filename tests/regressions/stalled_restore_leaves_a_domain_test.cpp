// Ctrl-C at an xl restore whose stream had not begun: the helper was waiting for the first bytes
// before it watched for signals, died, and the empty paused domain stayed.
#include <signal.h>
#include <unistd.h>

#include "host/child.h"
#include "tests/engine/real_helper_fixture.h"

namespace ferry::sim {
namespace {

class StalledRestoreLeavesADomain : public RealHelper {
 protected:
  // xl is gone when the child's pipes are closed, in wait().
  void interrupt_restore(int signal_number) {
    const RestoreTarget target = create_target(host(), 300, 1);
    int stream[2];
    ASSERT_EQ(pipe(stream), 0);
    host::Child helper(restore_arguments(target, stream[0]), file_.environment(), {stream[0]});
    usleep(100'000);
    if (signal_number) kill(helper.pid(), signal_number);
    helper.wait();
    EXPECT_FALSE(exists(host(), raw(target.domid)));
    close(stream[0]);
    close(stream[1]);
  }
};

TEST_F(StalledRestoreLeavesADomain, after_ctrl_c) {
  interrupt_restore(SIGINT);
}

TEST_F(StalledRestoreLeavesADomain, after_xl_was_killed) {
  interrupt_restore(0);
}

}  // namespace
}  // namespace ferry::sim
